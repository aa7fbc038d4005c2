import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";

/** 32-bit words of a flow's key: two addresses of four words, lower end first, and both ports. */
export const KEY_WORDS = 9;

/**
 * The flow keys of a vector's packets. A key is canonical: the end with the lower (address, port) comes first, so both
 * directions of a flow have the same key, and `fromLower` tells them apart. IPv4 addresses fill the first of four words.
 */
export class FlowKeys {
  /** KEY_WORDS per packet. */
  readonly words = new Uint32Array(VECTOR_LENGTH * KEY_WORDS);
  /** Seeded hash of family and key. */
  readonly hash = new Uint32Array(VECTOR_LENGTH);
  /** 1 where the packet was sent by the lower end. */
  readonly fromLower = new Uint8Array(VECTOR_LENGTH);
  private readonly seed: number;

  /** `seed` is any 32-bit number that senders of traffic cannot know, or they could fill one part of a table. */
  constructor(seed: number) {
    this.seed = seed | 0;
  }

  /** Reads the key of packet i from the columns that `decapsulate` left. */
  read(vector: PacketVector, i: number): void {
    const { view } = vector;
    const octets = vector.family[i] === 6 ? 16 : 4;
    const source = vector.addressAt[i] ?? 0;
    const destination = source + octets;
    const ports = vector.ports[i] ?? 0;
    let order = 0;
    for (let k = 0; k < octets && order === 0; k += 4)
      order = view.getUint32(source + k) - view.getUint32(destination + k);
    if (order === 0) order = (ports >>> 16) - (ports & 0xffff);
    const lower = order <= 0 ? source : destination;
    const upper = order <= 0 ? destination : source;

    const { words } = this;
    const at = i * KEY_WORDS;
    let hash = this.seed ^ octets;
    for (let k = 0; k < 4; k++) {
      const inside = k * 4 < octets;
      const a = inside ? view.getUint32(lower + k * 4) : 0;
      const b = inside ? view.getUint32(upper + k * 4) : 0;
      words[at + k] = a;
      words[at + 4 + k] = b;
      if (inside) hash = mix(mix(hash, a), b);
    }
    const orderedPorts = order <= 0 ? ports : ((ports << 16) | (ports >>> 16)) >>> 0;
    words[at + 8] = orderedPorts;
    this.hash[i] = finish(mix(hash, orderedPorts));
    this.fromLower[i] = order <= 0 ? 1 : 0;
  }
}

/** One round of MurmurHash3's 32-bit body. */
function mix(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const h = hash ^ k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** MurmurHash3's 32-bit finalizer: every bit of the sum reaches every bit of the result. */
function finish(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
