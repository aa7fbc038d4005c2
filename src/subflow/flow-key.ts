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
  private readonly seed: number;

  /** @param seed a secret number of this process, so that nobody outside can choose keys that collide */
  constructor(seed: number) {
    this.seed = seed | 0;
  }

  /** Fills key, hash and direction of packet i from the vector's address and port columns. */
  read(vector: PacketVector, i: number): void {
    const view = vector.view;
    const words = this.words;
    const at = vector.addressAt[i]!;
    const ports = vector.ports[i]!;
    const base = i * KEY_WORDS;
    const sourcePort = ports >>> 16;
    const destinationPort = ports & 0xffff;
    let higher: boolean;
    if (vector.family[i] === 4) {
      const source = view.getUint32(at);
      const destination = view.getUint32(at + 4);
      higher = source > destination || (source === destination && sourcePort > destinationPort);
      words[base] = higher ? destination : source;
      words[base + 4] = higher ? source : destination;
      words[base + 1] = words[base + 2] = words[base + 3] = 0;
      words[base + 5] = words[base + 6] = words[base + 7] = 0;
      words[base + 9] = 4;
    } else {
      higher = isHigher(view, at, sourcePort > destinationPort);
      const low = higher ? at + 16 : at;
      const high = higher ? at : at + 16;
      for (let word = 0; word < 4; word++) {
        words[base + word] = view.getUint32(low + word * 4);
        words[base + 4 + word] = view.getUint32(high + word * 4);
      }
      words[base + 9] = 6;
    }
    words[base + 8] = higher ? (destinationPort << 16) | sourcePort : ports;
    this.fromHigher[i] = higher ? 1 : 0;
    this.hash[i] = this.mix(base, words[base + 9] === 4);
  }

  private mix(base: number, short: boolean): number {
    const words = this.words;
    let h = this.seed ^ words[base + 8]!;
    h = Math.imul(h ^ words[base]!, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15) ^ words[base + 4]!, 0x85ebca6b);
    if (!short) {
      for (let word = 1; word < 4; word++) {
        h = Math.imul(h ^ (h >>> 13) ^ words[base + word]!, 0xc2b2ae35);
        h = Math.imul(h ^ (h >>> 15) ^ words[base + 4 + word]!, 0x27d4eb2f);
      }
    }
    h = Math.imul(h ^ (h >>> 16) ^ this.seed, 0x7feb352d);
    return (h ^ (h >>> 15)) >>> 0;
  }
}

function isHigher(view: DataView, at: number, onEqual: boolean): boolean {
  for (let word = 0; word < 16; word += 4) {
    const source = view.getUint32(at + word);
    const destination = view.getUint32(at + 16 + word);
    if (source !== destination) return source > destination;
  }
  return onEqual;
}
