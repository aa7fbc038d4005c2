/** Most bits of a bucket's number: what a kernel's program has room for. */
export const SIEVE_BITS = 15;
const BUCKETS = 2 ** SIEVE_BITS;

/** The odd numbers that a flow's hash is made with; a kernel's filter computes the same hash. */
export interface SieveFactors {
  readonly addresses: number;
  readonly ports: number;
  readonly mixed: number;
}

/**
 * The flows that are selected, as a set of buckets: a flow whose bucket is empty is not selected for certain. A kernel
 * filter that lets the others pass refuses no packet of a selected flow. Both directions of a flow have one bucket.
 */
export class FlowSieve {
  readonly factors: SieveFactors;
  /** True since a bucket was first filled, until `seen`: what a filter was made of is too little now. */
  isWider = false;
  /** True since a bucket became empty, until `seen`: a filter lets more pass than it must. */
  isNarrower = false;
  private readonly flows = new Uint32Array(BUCKETS);

  /** @param seed any 32-bit number that senders of traffic cannot know */
  constructor(seed: number) {
    const factor = (n: number): number => (Math.imul(seed ^ n, 0x9e3779b1) | 1) >>> 0;
    this.factors = { addresses: factor(0x51ed270b), ports: factor(0x2545f491), mixed: factor(0x7feb352d) };
  }

  /** Adds a flow; `words` holds its key from `at` on, as of `FlowKeys`. */
  add(words: Uint32Array, at: number): void {
    const bucket = this.bucketOf(words, at);
    if (this.flows[bucket] === 0) this.isWider = true;
    this.flows[bucket] = (this.flows[bucket] ?? 0) + 1;
  }

  /** Takes a flow out that was added. */
  remove(words: Uint32Array, at: number): void {
    const bucket = this.bucketOf(words, at);
    this.flows[bucket] = (this.flows[bucket] ?? 1) - 1;
    if (this.flows[bucket] === 0) this.isNarrower = true;
  }

  /** To be called when a filter was made of it. */
  seen(): void {
    this.isWider = false;
    this.isNarrower = false;
  }

  /** Which of 2^bits buckets have a flow: bit n % 32 of word n / 32. `bits` is 5 to 15; with fewer, buckets are joined. */
  buckets(bits: number): Uint32Array {
    const words = new Uint32Array(2 ** bits / 32);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      if (this.flows[bucket] === 0) continue;
      const joined = bucket >>> (SIEVE_BITS - bits);
      words[joined >>> 5] = (words[joined >>> 5] ?? 0) | (1 << (joined & 31));
    }
    return words;
  }

  /** The bucket of a flow: the upper bits of a hash of all address words XORed, and of the sum of both ports. */
  bucketOf(words: Uint32Array, at: number): number {
    let addresses = 0;
    for (let k = 0; k < 8; k++) addresses ^= words[at + k] ?? 0;
    const both = words[at + 8] ?? 0;
    const { factors } = this;
    const sum =
      (Math.imul(addresses, factors.addresses) + Math.imul((both >>> 16) + (both & 0xffff), factors.ports)) | 0;
    return Math.imul(sum ^ (sum >>> 16), factors.mixed) >>> (32 - SIEVE_BITS);
  }
}
