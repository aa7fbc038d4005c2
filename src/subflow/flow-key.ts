import { FATE_ALIVE } from "../fate.ts";
import { forVector } from "../for-vector.ts";
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

  private readonly loopOf = forVector((vector) => this.loop(vector));

  /** @param seed a secret number of this process, so that nobody outside can choose keys that collide */
  constructor(seed: number) {
    for (let i = 0; i < this.factors.length; i++) {
      let word = Math.imul(seed + i + 1, 0x9e3779b1);
      word = Math.imul(word ^ (word >>> 16) ^ seed, 0x7feb352d);
      word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
      this.factors[i] = word ^ (word >>> 16);
    }
  }

  /** Fills key, hash and direction of packets `from` to `to` that are under way, from their address and port columns. */
  read(vector: PacketVector, from: number, to: number): void {
    this.loopOf(vector)(from, to);
  }

  private loop(vector: PacketVector): (from: number, to: number) => void {
    const readKeys = (from: number, to: number): void => {
      const { view, fate, family, addressAt, ports } = vector;
      const { words, hash, fromHigher, factors: f } = this;
      for (let i = from; i < to; i++) {
        if (fate[i] !== FATE_ALIVE) continue;
        if (family[i] !== 4) {
          this.readIpv6(vector, i);
          continue;
        }
        const at = addressAt[i]!;
        const both = ports[i]!;
        const source = view.getUint32(at);
        const destination = view.getUint32(at + 4);
        const higher = source > destination || (source === destination && both >>> 16 > (both & 0xffff));
        const low = higher ? destination : source;
        const high = higher ? source : destination;
        const ordered = higher ? (both << 16) | (both >>> 16) : both;
        const base = i * KEY_WORDS;
        words[base] = low;
        words[base + 1] = words[base + 2] = words[base + 3] = 0;
        words[base + 4] = high;
        words[base + 5] = words[base + 6] = words[base + 7] = 0;
        words[base + 8] = ordered;
        words[base + 9] = 4;
        fromHigher[i] = higher ? 1 : 0;
        // As `hashOf`: the sums of three words, written out.
        let a = (f[0]! + Math.imul(low & 0xffff, f[2]!) + Math.imul(low >>> 16, f[3]!)) | 0;
        let b = (f[1]! + Math.imul(low & 0xffff, f[4]!) + Math.imul(low >>> 16, f[5]!)) | 0;
        a = (a + Math.imul(high & 0xffff, f[6]!) + Math.imul(high >>> 16, f[7]!)) | 0;
        b = (b + Math.imul(high & 0xffff, f[8]!) + Math.imul(high >>> 16, f[9]!)) | 0;
        a = (a + Math.imul(ordered & 0xffff, f[10]!) + Math.imul(ordered >>> 16, f[11]!)) | 0;
        b = (b + Math.imul(ordered & 0xffff, f[12]!) + Math.imul(ordered >>> 16, f[13]!)) | 0;
        hash[i] = scatter(a, b);
      }
    };
    return readKeys;
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
    const factors = this.factors;
    let a = factors[0]!;
    let b = factors[1]!;
    let factor = 2;
    for (let at = 0; at < KEY_WORDS - 1; at += isIpv4 ? 4 : 1) {
      const word = words[base + at]!;
      const low = word & 0xffff;
      const high = word >>> 16;
      a = (a + Math.imul(low, factors[factor]!) + Math.imul(high, factors[factor + 1]!)) | 0;
      b = (b + Math.imul(low, factors[factor + 2]!) + Math.imul(high, factors[factor + 3]!)) | 0;
      factor += 4;
    }
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
