import { cacheLineWords } from "../cache-lines.ts";
import type { PacketVector } from "../vector.ts";
import { VECTOR_LENGTH } from "../vector.ts";
import { timestampValue } from "../wire/tcp.ts";

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
    let a = this.seed ^ flowHash;
    a = Math.imul(a ^ vector.seq[i]!, 0x9e3779b1);
    a = Math.imul(a ^ (a >>> 15) ^ vector.ack[i]!, 0x85ebca6b);
    a = Math.imul(a ^ (a >>> 13) ^ ((vector.ipId[i]! << 8) | vector.flags[i]!), 0xc2b2ae35);
    let b = Math.imul(flowHash ^ timestampValue(view, tcpAt, optionsEnd), 0x27d4eb2f);
    b = Math.imul(b ^ (b >>> 15) ^ vector.ports[i]!, 0x9e3779b1);
    b = Math.imul(b ^ (b >>> 13) ^ vector.payloadLength[i]!, 0x85ebca6b);
    b = Math.imul(b ^ (b >>> 15) ^ vector.seq[i]!, 0xc2b2ae35);
    const mptcpAt = vector.mptcpAt[i]!;
    if (mptcpAt !== 0) {
      // Acknowledgements at data level differ in their options alone.
      for (let at = mptcpAt; at + 4 <= optionsEnd; at += 4)
        b = Math.imul(b ^ (b >>> 13) ^ view.getUint32(at), 0x27d4eb2f);
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

  /** Whether packet i, already read, is a copy of one seen before; if not it is remembered. */
  isCopy(vector: PacketVector, i: number): boolean {
    const table = this.table;
    const a = this.first[i]!;
    const b = this.second[i]!;
    const agent = vector.agent[i]! + 1;
    const now = Math.floor(vector.atMicros[i]! / 1000) >>> 0;
    const set = (a & (SETS - 1)) * SET_WORDS;
    let oldest = set;
    for (let at = set; at < set + SET_WORDS; at += ENTRY_WORDS) {
      const age = (now - table[at + 3]!) | 0;
      if (table[at] === a && table[at + 1] === b && table[at + 2] !== 0 && Math.abs(age) < WINDOW_MILLIS) {
        if (table[at + 2] !== agent || vector.ipId[i] !== 0) return true;
        table[at + 3] = now;
        return false;
      }
      if (table[at + 2] === 0 || (table[oldest + 2] !== 0 && age > ((now - table[oldest + 3]!) | 0))) oldest = at;
    }
    table[oldest] = a;
    table[oldest + 1] = b;
    table[oldest + 2] = agent;
    table[oldest + 3] = now;
    return false;
  }
}
