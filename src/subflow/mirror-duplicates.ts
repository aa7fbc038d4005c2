import { cacheLineWords } from "../cache-lines.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import { forVector } from "../for-vector.ts";
import type { PacketVector } from "../vector.ts";
import { ipv4HopLimit, ipv4TrafficClass } from "../wire/ipv4.ts";
import { ipv6HopLimit, ipv6TrafficClass } from "../wire/ipv6.ts";
import { SYN, timestampValue } from "../wire/tcp.ts";
import { type CopyPlace, Differences, payloadDifference } from "./differences.ts";
import { type Fingerprints, SUM_MASK } from "./fingerprints.ts";
import { FirstCopies } from "./first-copies.ts";
import { NO_OPTION, OPTION_CUT } from "./option-sum.ts";
import { HOT_WORDS, STATE, STATE_COPIED_TWICE } from "./subflow-row.ts";

/** The fate of a second copy. */
export const MIRROR_DUPLICATE = fateOf("subflow/mirror-duplicate");

/** Sets of WAYS packets each that are remembered; a set forgets its oldest. 512 KiB, to stay in the cache. */
const SETS = 8192;
const WAYS = 4;
/**
 * Per packet: 32 bits of fingerprint; 16 more and the sum of its MPTCP options; the agents that saw it first and last
 * (+ 1 each) and its hop limit; its time and its traffic class.
 */
const ENTRY_WORDS = 4;
const SET_WORDS = WAYS * ENTRY_WORDS;
/** The first agent; the last one lies AGENT_BITS further up, the hop limit twice that. */
const AGENT_MASK = 0x7ff;
const AGENT_BITS = 11;
/** Time: milliseconds modulo 2^24, above the traffic class. */
const CLASS_MASK = 0xff;
const TIME_SHIFT = 8;

/** Copies of one packet reach the collector within this time; later ones are the endpoints' own repetition. */
const WINDOW = 2000 << TIME_SHIFT;

/** What a remembered packet of the same fingerprint is to a packet, the likeliest highest. */
const ANOTHER = 0;
const COPIED_TWICE = 1;
const REWRITTEN = 2;
const EXACT = 3;

/** A packet's time as an entry has it. */
function timeWord(atMicros: number): number {
  return (Math.floor(atMicros / 1000) << TIME_SHIFT) | 0;
}

/**
 * Tells second copies of one packet (two agents on its way, two files of one observation) from what the endpoints sent
 * again, and how they differ (docs/architecture.md, "One packet, two copies"). Copies are alike in what no router may
 * touch: flow, sequence numbers, flags, IPv4 identification, TCP timestamp, length of the payload.
 */
export class MirrorDuplicates {
  /** How the packets of the vector under way differ from their first copies. */
  readonly differences = new Differences();
  private readonly table = cacheLineWords(SETS * SET_WORDS);
  /** Per set: the way that is the next to be forgotten. */
  private readonly oldest = new Uint8Array(SETS);
  private readonly kept = new FirstCopies(SETS * WAYS);
  /** The places of the two copies that are compared. */
  private readonly own: CopyPlace = { agent: 0, trafficClass: 0, sum: 0 };
  private readonly earlier: CopyPlace = { agent: 0, trafficClass: 0, sum: 0 };
  private readonly fingerprints: Fingerprints;
  private readonly subflow: Int32Array;
  private readonly hot: Uint32Array;
  private readonly loopOf = forVector((vector) => this.loop(vector));
  /** Whether octets are kept of subflows, too, that no second copy has come of yet. */
  private keepsAll = false;

  /**
   * @param fingerprints of the vector's packets
   * @param subflow of each packet, -1 where none is known
   * @param hot of the subflow table
   */
  constructor(fingerprints: Fingerprints, subflow: Int32Array, hot: Uint32Array) {
    this.fingerprints = fingerprints;
    this.subflow = subflow;
    this.hot = hot;
  }

  /**
   * Keeps the octets of every first copy from now on, not only of subflows that are known to be copied twice: where clocks
   * of those who copied differ, much of a subflow comes before its first second copy.
   */
  keepAll(): void {
    this.keepsAll = true;
  }

  /** Copies whose octets could not be compared, because those of the first copy were no longer kept. */
  get uncompared(): number {
    return this.kept.uncompared;
  }

  /** Loads the sets of the first `count` packets; the sum keeps that from being optimised away. */
  touch(count: number): number {
    const { table } = this;
    const { first } = this.fingerprints;
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= table[(first[i]! & (SETS - 1)) * SET_WORDS]!;
    return sum;
  }

  /** Gives packets of known subflows the fate MIRROR_DUPLICATE when they are copies. Returns whether there were any. */
  refuse(vector: PacketVector, count: number): boolean {
    const skipFirst = this.loopOf(vector);
    let refused = false;
    this.differences.clear();
    for (let i = skipFirst(0, count); i < count; i = skipFirst(i + 1, count)) {
      if (!this.isCopy(vector, i, this.subflow[i]!)) continue;
      vector.fate[i] = MIRROR_DUPLICATE;
      refused = true;
    }
    return refused;
  }

  /**
   * What `isCopy` does for packets of known subflows that are copied once and like none remembered: the loop remembers
   * them from `from` on, and returns the first packet that is none of these, or `count`.
   */
  private loop(vector: PacketVector): (from: number, count: number) => number {
    const { kept, fingerprints } = this;
    const skipFirst = (from: number, count: number): number => {
      const { view, fate, agent, atMicros, addressAt, family } = vector;
      const { table, oldest, subflow, hot, keepsAll } = this;
      const { first, second } = fingerprints;
      for (let i = from; i < count; i++) {
        const flow = subflow[i]!;
        if (flow < 0 || fate[i] !== FATE_ALIVE) continue;
        const a = first[i]!;
        const set = a & (SETS - 1);
        const line = set * SET_WORDS;
        if (table[line] === a || table[line + ENTRY_WORDS] === a) return i;
        if (table[line + 2 * ENTRY_WORDS] === a || table[line + 3 * ENTRY_WORDS] === a) return i;
        if (keepsAll || family[i] !== 4 || (hot[flow * HOT_WORDS + STATE]! & STATE_COPIED_TWICE) !== 0) return i;
        const way = oldest[set]!;
        const place = line + way * ENTRY_WORDS;
        oldest[set] = (way + 1) % WAYS;
        const at = addressAt[i]!;
        table[place] = a;
        table[place + 1] = second[i]!;
        table[place + 2] = (agent[i]! + 1) | (ipv4HopLimit(view, at) << (2 * AGENT_BITS));
        table[place + 3] = timeWord(atMicros[i]!) | ipv4TrafficClass(view, at);
        kept.forget(place / ENTRY_WORDS);
      }
      return count;
    };
    return skipFirst;
  }

  /**
   * Whether packet i, already read and of no subflow that is known, is a copy; it is remembered when it could open one.
   * The copy that has an MPTCP option opens it, whichever comes first.
   */
  isCopyOfUnknown(vector: PacketVector, i: number): boolean {
    const isPlain = vector.mptcpAt[i] === 0;
    if (isPlain && (vector.flags[i]! & SYN) === 0) return false;
    return this.isCopy(vector, i, -1) && (isPlain || this.earlier.sum !== NO_OPTION);
  }

  /**
   * Whether packet i, already read, of this subflow (-1: none that is known), is a copy of one seen before. If not it is
   * remembered: with its octets when the subflow is copied twice, which its first second copy shows, and after `keepAll`.
   */
  isCopy(vector: PacketVector, i: number, subflow: number): boolean {
    const { table, hot } = this;
    const a = this.fingerprints.first[i]!;
    const b = this.fingerprints.second[i]!;
    const now = timeWord(vector.atMicros[i]!);
    const set = a & (SETS - 1);
    const line = set * SET_WORDS;
    let isAlike = false;
    for (let at = line; at < line + SET_WORDS; at += ENTRY_WORDS) {
      if (table[at] === a && this.isAlike(at, b, now)) isAlike = true;
    }
    const state = Math.max(subflow, 0) * HOT_WORDS + STATE;
    if (isAlike) {
      if (subflow >= 0) hot[state]! |= STATE_COPIED_TWICE;
      if (this.match(vector, i, line, now)) return true;
    }
    if (isAlike) this.spare(set, a, b, now);
    const way = this.oldest[set]!;
    const place = line + way * ENTRY_WORDS;
    this.oldest[set] = (way + 1) % WAYS;
    const { view } = vector;
    const addressAt = vector.addressAt[i]!;
    const isIpv4 = vector.family[i] === 4;
    const hopLimit = isIpv4 ? ipv4HopLimit(view, addressAt) : ipv6HopLimit(view, addressAt);
    table[place] = a;
    table[place + 1] = b;
    table[place + 2] = (vector.agent[i]! + 1) | (hopLimit << (2 * AGENT_BITS));
    table[place + 3] = now | (isIpv4 ? ipv4TrafficClass(view, addressAt) : ipv6TrafficClass(view, addressAt));
    if (this.keepsAll || (subflow >= 0 && hot[state]! & STATE_COPIED_TWICE))
      this.kept.keep(place / ENTRY_WORDS, vector, i);
    else this.kept.forget(place / ENTRY_WORDS);
    return false;
  }

  /**
   * Before a packet of this fingerprint is remembered: where all others of its set are alike it, the oldest of these is
   * forgotten, and not another packet that is older. A host may repeat an acknowledgment many times in a millisecond.
   */
  private spare(set: number, a: number, b: number, now: number): void {
    const { table, oldest } = this;
    const line = set * SET_WORDS;
    const way = oldest[set]!;
    const place = line + way * ENTRY_WORDS;
    if (!this.isRecent(place, now) || (table[place] === a && this.isAlike(place, b, now))) return;
    for (let n = 1; n < WAYS; n++) {
      const at = line + ((way + n) % WAYS) * ENTRY_WORDS;
      if (table[at] !== a || !this.isAlike(at, b, now)) return;
    }
    const next = line + ((way + 1) % WAYS) * ENTRY_WORDS;
    table.copyWithin(next, place, place + ENTRY_WORDS);
    this.kept.move(place / ENTRY_WORDS, next / ENTRY_WORDS);
  }

  /** Whether what is remembered at `at`, whose first word is right, is of the second word `b` and came near `now`. */
  private isAlike(at: number, b: number, now: number): boolean {
    return (this.table[at + 1]! ^ b) >>> 16 === 0 && this.isRecent(at, now);
  }

  /** Whether a packet is remembered at `at`, and came near `now`. */
  private isRecent(at: number, now: number): boolean {
    const { table } = this;
    const age = (now - (table[at + 3]! & ~CLASS_MASK)) | 0;
    return table[at + 2] !== 0 && Math.abs(age) < WINDOW;
  }

  /** Finds what packet i is a copy of among those of its fingerprint, the oldest where several would do. */
  private match(vector: PacketVector, i: number, line: number, now: number): boolean {
    const { table } = this;
    const a = this.fingerprints.first[i]!;
    const b = this.fingerprints.second[i]!;
    let found = -1;
    let best = ANOTHER;
    let oldest = 0;
    for (let at = line; at < line + SET_WORDS; at += ENTRY_WORDS) {
      if (table[at] !== a || !this.isAlike(at, b, now)) continue;
      const age = (now - (table[at + 3]! & ~CLASS_MASK)) | 0;
      const likeness = this.likeness(vector, i, at);
      if (likeness < best || likeness === ANOTHER || (likeness === best && age <= oldest)) continue;
      found = at;
      best = likeness;
      oldest = age;
    }
    if (found < 0) return false;
    const seen = table[found + 2]!;
    const agent = vector.agent[i]! + 1;
    this.earlier.sum = table[found + 1]! & SUM_MASK;
    if (best !== COPIED_TWICE) this.compare(vector, i, found, oldest);
    table[found + 2] = (seen & ~(AGENT_MASK << AGENT_BITS)) | (agent << AGENT_BITS);
    return true;
  }

  /**
   * What the packet remembered at `at` is to packet i, of the same fingerprint. From an agent that has copied it already
   * it is taken for a copy only when its identification and every octet are the same: octets that differ were sent so.
   * Without identification, acknowledgments differ in their options alone.
   */
  private likeness(vector: PacketVector, i: number, at: number): number {
    const agent = vector.agent[i]! + 1;
    const seen = this.table[at + 2]!;
    const sum = this.fingerprints.second[i]! & SUM_MASK;
    const other = this.table[at + 1]! & SUM_MASK;
    const isIdentified = vector.ipId[i] !== 0;
    if ((seen & AGENT_MASK) === agent || ((seen >>> AGENT_BITS) & AGENT_MASK) === agent) {
      return isIdentified && sum === other && this.isSame(vector, i, at) ? COPIED_TWICE : ANOTHER;
    }
    if (sum === other) return EXACT;
    if (isIdentified || vector.flags[i]! & SYN) return REWRITTEN;
    if (Math.min(sum, other) <= OPTION_CUT) return REWRITTEN;
    const isDated = timestampValue(vector.view, vector.tcpAt[i]!, vector.optionsEnd[i]!) !== 0;
    return isDated && vector.payloadLength[i] !== 0 ? REWRITTEN : ANOTHER;
  }

  /** Whether packet i has the octets of its first copy, remembered at `at`, as far as both were captured. */
  private isSame(vector: PacketVector, i: number, at: number): boolean {
    if (vector.payloadCaptured[i] === 0) return true;
    const { kept } = this;
    return kept.find(at / ENTRY_WORDS, vector, i) && payloadDifference(vector, i, kept) < 0;
  }

  /** Notes how packet i differs from its first copy, which is remembered at `at` and came `age` earlier. */
  private compare(vector: PacketVector, i: number, at: number, age: number): void {
    const { table, own, earlier, kept } = this;
    const { view } = vector;
    const seen = table[at + 2]!;
    const addressAt = vector.addressAt[i]!;
    const isIpv4 = vector.family[i] === 4;
    earlier.agent = (seen & AGENT_MASK) - 1;
    earlier.trafficClass = table[at + 3]! & CLASS_MASK;
    own.agent = vector.agent[i]!;
    own.trafficClass = isIpv4 ? ipv4TrafficClass(view, addressAt) : ipv6TrafficClass(view, addressAt);
    own.sum = this.fingerprints.second[i]! & SUM_MASK;
    // Clocks of two agents may differ; routers on the way count the hops.
    const hops =
      ((seen >>> (2 * AGENT_BITS)) & 0xff) - (isIpv4 ? ipv4HopLimit(view, addressAt) : ipv6HopLimit(view, addressAt));
    const isFirstBefore = hops === 0 ? age >= 0 : hops > 0;
    const isFound = kept.find(at / ENTRY_WORDS, vector, i);
    this.differences.compare(vector, i, own, earlier, isFirstBefore, isFound ? kept : null);
  }
}
