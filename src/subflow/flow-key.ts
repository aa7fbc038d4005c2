import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";

/** Words of a flow key: lower address (4), higher address (4), ports of lower << 16 | higher, IP family. */
export const KEY_WORDS = 10;

/**
 * The flow keys of a vector's packets. Both directions of a TCP flow have one key: the endpoint with the lower address
 * (of equal addresses, the lower port) stands first, and `fromHigher` says which of the two sent the packet.
 */
export class FlowKeys {
  readonly words = new Uint32Array(VECTOR_LENGTH * KEY_WORDS);
  readonly hash = new Uint32Array(VECTOR_LENGTH);
  /** 1 when the packet's sender is the key's second endpoint. */
  readonly fromHigher = new Uint8Array(VECTOR_LENGTH);
  /** Two sums begin with the first two; each word has two for each of its halves. */
  private readonly factors = new Int32Array(2 + 4 * (KEY_WORDS - 1));

  /** @param seed a secret number of this process, so that nobody outside can choose keys that collide */
  constructor(seed: number) {
    for (let i = 0; i < this.factors.length; i++) {
      let word = Math.imul(seed + i + 1, 0x9e3779b1);
      word = Math.imul(word ^ (word >>> 16) ^ seed, 0x7feb352d);
      word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
      this.factors[i] = word ^ (word >>> 16);
    }
  }

  /** Fills key, hash and direction of packet i from the vector's address and port columns. */
  read(vector: PacketVector, i: number): void {
    if (vector.family[i] !== 4) {
      this.readIpv6(vector, i);
      return;
    }
    const view = vector.view;
    const words = this.words;
    const at = vector.addressAt[i]!;
    const ports = vector.ports[i]!;
    const base = i * KEY_WORDS;
    const source = view.getUint32(at);
    const destination = view.getUint32(at + 4);
    const higher = source > destination || (source === destination && ports >>> 16 > (ports & 0xffff));
    const low = higher ? destination : source;
    const high = higher ? source : destination;
    const ordered = higher ? (ports << 16) | (ports >>> 16) : ports;
    words[base] = low;
    words[base + 1] = words[base + 2] = words[base + 3] = 0;
    words[base + 4] = high;
    words[base + 5] = words[base + 6] = words[base + 7] = 0;
    words[base + 8] = ordered;
    words[base + 9] = 4;
    this.fromHigher[i] = higher ? 1 : 0;
    this.hash[i] = this.hashOfIpv4(low, high, ordered);
  }

  private readIpv6(vector: PacketVector, i: number): void {
    const view = vector.view;
    const words = this.words;
    const at = vector.addressAt[i]!;
    const ports = vector.ports[i]!;
    const base = i * KEY_WORDS;
    const higher = isHigher(view, at, ports >>> 16 > (ports & 0xffff));
    const low = higher ? at + 16 : at;
    const high = higher ? at : at + 16;
    for (let word = 0; word < 4; word++) {
      words[base + word] = view.getUint32(low + word * 4);
      words[base + 4 + word] = view.getUint32(high + word * 4);
    }
    words[base + 8] = higher ? (ports << 16) | (ports >>> 16) : ports;
    words[base + 9] = 6;
    this.fromHigher[i] = higher ? 1 : 0;
    this.hash[i] = this.hashOf(words, base, false);
  }

  /**
   * The hash of the flow key that begins at `base` of `words`; of IPv4 only words that are not always 0. Two multilinear
   * sums of 16-bit halves, each with a secret factor of 32 bits, of which the upper halves count: any two keys collide in
   * them with a chance of 2^-32 (Dietzfelbinger 1996). What follows only scatters neighbours.
   */
  hashOf(words: Uint32Array, base: number, isIpv4: boolean): number {
    if (isIpv4) return this.hashOfIpv4(words[base]!, words[base + 4]!, words[base + 8]!);
    const factors = this.factors;
    let a = factors[0]!;
    let b = factors[1]!;
    for (let at = 0; at < KEY_WORDS - 1; at++) {
      const word = words[base + at]!;
      const factor = 2 + at * 4;
      const low = word & 0xffff;
      const high = word >>> 16;
      a = (a + Math.imul(low, factors[factor]!) + Math.imul(high, factors[factor + 1]!)) | 0;
      b = (b + Math.imul(low, factors[factor + 2]!) + Math.imul(high, factors[factor + 3]!)) | 0;
    }
    return scatter(a, b);
  }

  /** `hashOf` of an IPv4 key: its sums, written out. */
  private hashOfIpv4(low: number, high: number, ports: number): number {
    const f = this.factors;
    let a = (f[0]! + Math.imul(low & 0xffff, f[2]!) + Math.imul(low >>> 16, f[3]!)) | 0;
    let b = (f[1]! + Math.imul(low & 0xffff, f[4]!) + Math.imul(low >>> 16, f[5]!)) | 0;
    a = (a + Math.imul(high & 0xffff, f[6]!) + Math.imul(high >>> 16, f[7]!)) | 0;
    b = (b + Math.imul(high & 0xffff, f[8]!) + Math.imul(high >>> 16, f[9]!)) | 0;
    a = (a + Math.imul(ports & 0xffff, f[10]!) + Math.imul(ports >>> 16, f[11]!)) | 0;
    b = (b + Math.imul(ports & 0xffff, f[12]!) + Math.imul(ports >>> 16, f[13]!)) | 0;
    return scatter(a, b);
  }
}

/** The upper halves of two sums as one hash whose low bits depend on all of them. */
function scatter(a: number, b: number): number {
  let h = (a & 0xffff0000) | (b >>> 16);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

function isHigher(view: DataView, at: number, onEqual: boolean): boolean {
  for (let word = 0; word < 16; word += 4) {
    const source = view.getUint32(at + word);
    const destination = view.getUint32(at + 16 + word);
    if (source !== destination) return source > destination;
  }
  return onEqual;
}
