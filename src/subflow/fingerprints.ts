import { FATE_ALIVE } from "../fate.ts";
import { forVector } from "../for-vector.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import { TCP_MIN_OCTETS, timestampValue, USUAL_OPTIONS } from "../wire/tcp.ts";
import { optionSum } from "./option-sum.ts";

/** In `second`: the sum of the MPTCP options (option-sum.ts). */
export const SUM_MASK = 0xffff;

/**
 * What copies of one packet have in common, because no router may touch it, as 48 bits: flow, sequence and acknowledgment
 * number, flags, IPv4 identification, TCP timestamp, length of the payload. A column each for the packets of a vector.
 */
export class Fingerprints {
  readonly first = new Uint32Array(VECTOR_LENGTH);
  /** 16 more bits, above the sum of the packet's MPTCP options. */
  readonly second = new Uint32Array(VECTOR_LENGTH);
  private readonly hashes: Uint32Array;
  private readonly seed: number;
  private readonly loopOf = forVector((vector) => this.loop(vector));

  /**
   * @param hashes of the flows of the vector's packets
   * @param seed a secret number of this process
   */
  constructor(hashes: Uint32Array, seed: number) {
    this.hashes = hashes;
    this.seed = seed | 0;
  }

  /** Computes those of packets `from` to `to` that are under way, whose flows' hashes are known. */
  read(vector: PacketVector, from: number, to: number): void {
    this.loopOf(vector)(from, to);
  }

  private loop(vector: PacketVector): (from: number, to: number) => void {
    const readFingerprints = (from: number, to: number): void => {
      const { view, fate, seq, ack, ipId, flags, ports, tcpAt, optionsEnd, payloadLength } = vector;
      const { first, second, hashes, seed } = this;
      for (let i = from; i < to; i++) {
        if (fate[i] !== FATE_ALIVE) continue;
        const number = seq[i]!;
        const acknowledged = ack[i]!;
        let a = Math.imul(seed ^ hashes[i]! ^ number, 0x9e3779b1);
        a = Math.imul(a ^ (a >>> 15) ^ acknowledged, 0x85ebca6b);
        a = Math.imul(a ^ (a >>> 13) ^ ((ipId[i]! << 8) | flags[i]!), 0xc2b2ae35);
        // As `timestampValue`, of what most segments begin with.
        const options = tcpAt[i]! + TCP_MIN_OCTETS;
        const isUsual = options + 8 <= optionsEnd[i]! && view.getUint32(options) === USUAL_OPTIONS;
        const stamp = isUsual ? view.getUint32(options + 4) : timestampValue(view, tcpAt[i]!, optionsEnd[i]!);
        let b = Math.imul(number ^ stamp, 0x27d4eb2f);
        b = Math.imul(b ^ (b >>> 15) ^ payloadLength[i]! ^ ports[i]!, 0x9e3779b1) ^ acknowledged;
        b = Math.imul(b ^ (b >>> 13), 0x27d4eb2f);
        first[i] = (a ^ (a >>> 16) ^ b) >>> 0;
        second[i] = ((b & ~SUM_MASK) | optionSum(vector, i)) >>> 0;
      }
    };
    return readFingerprints;
  }
}
