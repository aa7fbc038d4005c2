import { cacheLineWords } from "../cache-lines.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { VECTOR_LENGTH } from "../vector.ts";
import { timestampValue } from "../wire/tcp.ts";

/** The fate of a second copy. */
export const MIRROR_DUPLICATE = fateOf("subflow/mirror-duplicate");

/** Sets of WAYS packets each that are remembered; a set forgets its oldest. 512 KiB, to stay in the cache. */
const SETS = 8192;
const WAYS = 4;
/** Per packet: two words of fingerprint, agent + 1, milliseconds modulo 2^32. */
const ENTRY_WORDS = 4;
const SET_WORDS = WAYS * ENTRY_WORDS;

/** Copies of one packet reach the collector within this time; later ones are the endpoints' own repetition. */
const WINDOW_MILLIS = 2000;

/**
 * Tells second copies of one packet (two agents on its way, two files of one observation) from what the endpoints sent
 * again. Copies are alike in everything a router leaves alone. A packet from the same agent is a copy only when its
 * non-zero IPv4 identification is the same too: stacks give a retransmission a new one.
 */
export class MirrorDuplicates {
  private readonly table = cacheLineWords(SETS * SET_WORDS);
  private readonly first = new Uint32Array(VECTOR_LENGTH);
  private readonly second = new Uint32Array(VECTOR_LENGTH);
  private readonly seed: number;

  constructor(seed: number) {
    this.seed = seed | 0;
  }

  /** Computes the fingerprint of packet i. */
  read(vector: PacketVector, i: number, flowHash: number): void {
    const view = vector.view;
    const tcpAt = vector.tcpAt[i]!;
    const optionsEnd = vector.optionsEnd[i]!;
    const seq = vector.seq[i]!;
    const ipId = vector.ipId[i]!;
    let a = Math.imul(this.seed ^ flowHash ^ seq, 0x9e3779b1);
    a = Math.imul(a ^ (a >>> 15) ^ vector.ack[i]!, 0x85ebca6b);
    a = Math.imul(a ^ (a >>> 13) ^ ((ipId << 8) | vector.flags[i]!), 0xc2b2ae35);
    let b = Math.imul(seq ^ timestampValue(view, tcpAt, optionsEnd), 0x27d4eb2f);
    b = Math.imul(b ^ (b >>> 15) ^ vector.payloadLength[i]! ^ vector.ports[i]!, 0x9e3779b1) ^ vector.ack[i]!;
    const mptcpAt = vector.mptcpAt[i]!;
    if (mptcpAt !== 0) {
      // Acknowledgements at data level differ in their options alone; the rest tells apart what has no identification.
      const end = ipId === 0 ? optionsEnd : Math.min(mptcpAt + 12, optionsEnd);
      for (let at = mptcpAt; at + 4 <= end; at += 4) b = Math.imul(b ^ (b >>> 13) ^ view.getUint32(at), 0x27d4eb2f);
    }
    a = (a ^ (a >>> 16) ^ b) >>> 0;
    this.first[i] = a;
    this.second[i] = b >>> 0;
  }

  /** Loads the sets of the first `count` packets; the sum keeps that from being optimised away. */
  touch(count: number): number {
    const { first, table } = this;
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= table[(first[i]! & (SETS - 1)) * SET_WORDS]!;
    return sum;
  }

  /**
   * Gives every packet that was read, of a known subflow or with an MPTCP option, the fate MIRROR_DUPLICATE when it is a
   * copy of one seen before. Returns whether there were any.
   */
  refuse(vector: PacketVector, subflow: Int32Array, count: number): boolean {
    let refused = false;
    for (let i = 0; i < count; i++) {
      if (vector.fate[i] !== FATE_ALIVE || (subflow[i]! < 0 && vector.mptcpAt[i] === 0)) continue;
      if (!this.isCopy(vector, i)) continue;
      vector.fate[i] = MIRROR_DUPLICATE;
      refused = true;
    }
    return refused;
  }

  /** Whether packet i, already read, is a copy of one seen before; if not it is remembered. */
  isCopy(vector: PacketVector, i: number): boolean {
    const table = this.table;
    const a = this.first[i]!;
    const b = this.second[i]!;
    const agent = vector.agent[i]! + 1;
    const now = Math.floor(vector.atMicros[i]! / 1000) | 0;
    const set = (a & (SETS - 1)) * SET_WORDS;
    let place = set;
    let oldest = -1;
    for (let at = set; at < set + SET_WORDS; at += ENTRY_WORDS) {
      const age = (now - table[at + 3]!) | 0;
      if (table[at] === a && table[at + 1] === b && table[at + 2] !== 0 && Math.abs(age) < WINDOW_MILLIS) {
        if (table[at + 2] !== agent || vector.ipId[i] !== 0) return true;
        place = at;
        break;
      }
      const rank = table[at + 2] === 0 ? 0x7fffffff : Math.max(age, 0);
      if (rank > oldest) {
        oldest = rank;
        place = at;
      }
    }
    table[place] = a;
    table[place + 1] = b;
    table[place + 2] = agent;
    table[place + 3] = now;
    return false;
  }
}
