import { OctetMemory } from "../reassembly/octet-memory.ts";
import { LINE_NUMBERS, NEAR_RANGES, SPARE, StreamRanges } from "../reassembly/stream-ranges.ts";
import { FlowIndex } from "../subflow/flow-index.ts";
import * as flow from "../subflow/subflow-table.ts";
import { ACKNOWLEDGED } from "./acknowledged.ts";
import { AgeList } from "./age-list.ts";
import type { ChecksumCounts } from "./checksums.ts";
import { FastOpens } from "./fast-open.ts";
import { IS_CLOSED, OPENED_BY_RESPONDER } from "./join-state.ts";
import type { RareOptions } from "./rare-options.ts";
import type { Repeats } from "./repeats.ts";
import * as table from "./session-table.ts";

/** Subflows of one session; for a further join another one must give way (src/session/room.ts), counted in its record. */
const MAX_SUBFLOWS_OF_SESSION = 256;
/** Joins whose third ACK's HMAC is kept for keys to come; without it the verdict is unverifiable. */
const MAX_THIRD_ACKS = 4096;
/** Ranges out of order of one stream; a further one is refused, and its octets count as shed. */
const MAX_RANGES = 4096;
/** Streams found by one token; hosts choose their keys, and could make a search of many endless. */
const MAX_STREAMS_OF_TOKEN = 16;
/** Advertised addresses of one session; further ones are counted in its record. */
export const MAX_ADDRESSES_OF_SESSION = 32;

/** In a stream's line of `Sessions.outOfOrder`: the number of its newest piece in `Sessions.memory`. */
const NEWEST_PIECE = SPARE + 1;

/** An address one side announced (ADD_ADDR) or took back (REMOVE_ADDR), RFC 8684 §3.4. */
export interface AdvertisedAddress {
  readonly side: 0 | 1;
  readonly addressId: number;
  readonly ip: string | null;
  readonly port: number | null;
  readonly atMicros: number | null;
  /** What the HMAC is over, and its 8 octets; null where there is none (version 0, only the removal seen). */
  readonly hmac: { readonly over: Uint8Array; readonly octets: Uint8Array } | null;
  /** When the other side's echo came. */
  echoedMicros: number | null;
  removedMicros: number | null;
}

/**
 * Everything known of live sessions: the table, the index of their tokens, ranges, and advertised
 * addresses. A stream's number is session * 2 + side.
 */
export class Sessions {
  readonly table: table.SessionTable;
  readonly subflows: flow.SubflowTable;
  /** Beyond the contiguous part of each stream, and before which octets copies were cut. */
  readonly outOfOrder: StreamRanges;
  readonly cuts: StreamRanges;
  /** By subflow * 2 + higher: what DSS checksums said, of sessions that use them; bounded by the subflow table. */
  readonly checksums = new Map<number, ChecksumCounts>();
  /** The newest octets of all streams; and, by stream, what came again of them. */
  readonly memory: OctetMemory;
  readonly repeats = new Map<number, Repeats>();
  readonly addresses = new Map<number, AdvertisedAddress[]>();
  readonly fastOpens = new FastOpens();
  readonly rareOptions = new Map<number, RareOptions>();
  /** By subflow: HMACs of third ACKs that no key verifies yet. */
  readonly thirdAcks = new Map<number, Uint8Array>();
  /** Sessions that are half-open or stand for what was not seen; established ones that may never have carried an octet. */
  readonly young: AgeList;
  readonly empty: AgeList;
  /** Subflows that are joins without an answer. */
  readonly pending: AgeList;
  /** Tokens that a bound kept out of the index: joins to them stay orphans. */
  private unindexed = 0;
  private readonly tokens: FlowIndex;
  private readonly seed: number;

  /**
   * @param remembered octets of payload to be remembered, over all streams
   * @param seed a secret number of this process: a host chooses its keys, and could choose tokens that collide
   */
  constructor(capacity: number, remembered: number, subflows: flow.SubflowTable, seed: number) {
    this.seed = seed;
    this.table = new table.SessionTable(capacity);
    this.subflows = subflows;
    this.young = new AgeList(capacity);
    this.empty = new AgeList(capacity);
    this.pending = new AgeList(subflows.capacity);
    this.outOfOrder = new StreamRanges(capacity * 2, MAX_RANGES);
    this.cuts = new StreamRanges(capacity * 2, NEAR_RANGES);
    const newest = { numbers: this.outOfOrder.near, step: LINE_NUMBERS, from: NEWEST_PIECE };
    this.memory = new OctetMemory(newest, remembered);
    // Records are stream numbers; tokens are compared by whoever asks for candidates.
    this.tokens = new FlowIndex(() => false);
  }

  /**
   * Makes `session + side` findable by its token, unless as many are as the bound allows; one that is half-open or waits
   * for its handshake gives way.
   */
  indexToken(session: number, side: number): void {
    const hash = this.mix(this.tokenOf(session, side));
    const known = this.tokens.candidates(hash);
    if (known.length >= MAX_STREAMS_OF_TOKEN) {
      this.unindexed++;
      const weak = known.find((stream) => this.isWeak(stream >> 1));
      if (weak === undefined || this.isWeak(session)) return;
      this.tokens.remove(hash, weak);
    }
    this.tokens.insert(hash, session * 2 + side);
  }

  private isWeak(session: number): boolean {
    const state = this.table.state(session);
    return (state & table.S_ORPHAN) !== 0 || (state & (table.S_ANSWERED | table.S_ESTABLISHED)) === 0;
  }

  /** How many tokens of a session a bound kept out of the index: joins to them are orphans. */
  shedTokens(session: number): number {
    if (this.unindexed === 0) return 0;
    const state = this.table.state(session);
    return [0, 1].filter((side) => {
      const isKnown = (state & (table.S_KEY << side)) !== 0 || (side === 1 && (state & table.S_ORPHAN) !== 0);
      return isKnown && !this.withToken(this.tokenOf(session, side)).includes(session * 2 + side);
    }).length;
  }

  /** Streams (session * 2 + side) whose side has this token: mostly one, several when hosts chose the same. */
  withToken(token: number): number[] {
    return this.tokens.candidates(this.mix(token));
  }

  /** One to one, so that equal hashes are equal tokens. */
  private mix(token: number): number {
    const mixed = Math.imul(token ^ this.seed, 0x9e3779b1);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }

  /** The token word of one side. */
  tokenOf(session: number, side: number): number {
    return this.table.words[session * table.SESSION_WORDS + table.TOKEN + side]!;
  }

  /** Whether a session has as many subflows as the bound allows. */
  isFull(session: number): boolean {
    return this.table.words[session * table.SESSION_WORDS + table.SUBFLOWS]! >= MAX_SUBFLOWS_OF_SESSION;
  }

  /** Puts a subflow into a session; false when the session has as many as the bound allows. */
  attach(session: number, subflow: number): boolean {
    const words = this.table.words;
    const base = session * table.SESSION_WORDS;
    if (this.isFull(session)) {
      words[base + table.SHED_SUBFLOWS]!++;
      return false;
    }
    const last = words[base + table.LAST_SUBFLOW]!;
    if (last === 0) words[base + table.FIRST_SUBFLOW] = subflow + 1;
    else this.subflows.cold[(last - 1) * flow.COLD_WORDS + flow.NEXT_SUBFLOW] = subflow + 1;
    this.subflows.cold[subflow * flow.COLD_WORDS + flow.NEXT_SUBFLOW] = 0;
    words[base + table.LAST_SUBFLOW] = subflow + 1;
    words[base + table.SUBFLOWS]!++;
    words[base + table.OPEN_SUBFLOWS]!++;
    words[base + table.DEADLINE] = 0;
    words[base + table.DEADLINE + 1] = 0;
    this.subflows.hot[subflow * flow.HOT_WORDS + flow.SESSION] = session + 1;
    return true;
  }

  /** Keeps the HMAC of a join's third ACK until its session's keys are known; the oldest of too many is forgotten. */
  keepThirdAck(subflow: number, hmac: Uint8Array): void {
    const [oldest] = this.thirdAcks.keys();
    if (this.thirdAcks.size >= MAX_THIRD_ACKS && oldest !== undefined) this.thirdAcks.delete(oldest);
    this.thirdAcks.set(subflow, Uint8Array.from(hmac));
  }

  /** Takes a subflow out of a session that it does not belong to after all. */
  detach(session: number, subflow: number): void {
    const others = this.subflowsOf(session).filter((one) => one !== subflow);
    const words = this.table.words;
    const base = session * table.SESSION_WORDS;
    words[base + table.FIRST_SUBFLOW] = (others[0] ?? -1) + 1;
    words[base + table.LAST_SUBFLOW] = (others.at(-1) ?? -1) + 1;
    for (const [i, one] of others.entries()) {
      this.subflows.cold[one * flow.COLD_WORDS + flow.NEXT_SUBFLOW] = (others[i + 1] ?? -1) + 1;
    }
    words[base + table.SUBFLOWS]!--;
    if ((this.join(subflow) & IS_CLOSED) === 0) words[base + table.OPEN_SUBFLOWS]!--;
  }

  /**
   * Takes a subflow out of its session, because `twin` is the same one with other addresses: its packets so far are second
   * copies. False when that was seen with as many addresses as the bound allows.
   */
  unify(subflow: number, twin: number): boolean {
    const { subflows } = this;
    const swapped = this.higherOf(twin, 0) === this.higherOf(subflow, 0) ? 0 : 1;
    if (!subflows.translations.add(subflow, twin, swapped)) return false;
    const session = this.sessionOf(subflow);
    this.detach(session, subflow);
    this.pending.remove(subflow);
    this.thirdAcks.delete(subflow);
    subflows.hot[subflow * flow.HOT_WORDS + flow.SESSION] = 0;
    subflows.takeCopies(subflow, twin);
    const startOf = (one: number): number => (one * table.SESSION_WORDS + table.SESSION_START) >> 1;
    const { floats } = this.table;
    const kept = startOf(this.sessionOf(twin));
    floats[kept] = Math.min(floats[kept]!, floats[startOf(session)]!);
    return true;
  }

  /** µs of a subflow's first packet. */
  startMicros(subflow: number): number {
    return this.subflows.coldFloat[(subflow * flow.COLD_WORDS + flow.START_MICROS) >> 1]!;
  }

  /** The subflows of a session in the order they were attached. */
  subflowsOf(session: number): number[] {
    const found: number[] = [];
    let next = this.table.words[session * table.SESSION_WORDS + table.FIRST_SUBFLOW]!;
    while (next !== 0) {
      found.push(next - 1);
      next = this.subflows.cold[(next - 1) * flow.COLD_WORDS + flow.NEXT_SUBFLOW]!;
    }
    return found;
  }

  /** The session of a subflow, -1 when it has none. */
  sessionOf(subflow: number): number {
    return this.subflows.hot[subflow * flow.HOT_WORDS + flow.SESSION]! - 1;
  }

  /** The JOIN word of a subflow (src/session/join-state.ts). */
  join(subflow: number): number {
    return this.subflows.hot[subflow * flow.HOT_WORDS + flow.JOIN]!;
  }

  /** Sets bits of a subflow's JOIN word. */
  setJoin(subflow: number, bits: number): void {
    this.subflows.hot[subflow * flow.HOT_WORDS + flow.JOIN]! |= bits;
  }

  /** Clears bits of a subflow's JOIN word. */
  clearJoin(subflow: number, bits: number): void {
    this.subflows.hot[subflow * flow.HOT_WORDS + flow.JOIN]! &= ~bits;
  }

  /** Whether a session was plain TCP from its first octet on: its stream is the TCP stream. */
  isPlain(session: number): boolean {
    return (this.table.state(session) & (table.S_FALLBACK | table.S_CONFIRMED)) === table.S_FALLBACK;
  }

  /** Whether a session has become plain TCP, and goes on as that on this subflow. */
  hasFallenBack(session: number, subflow: number): boolean {
    if ((this.table.state(session) & table.S_FALLBACK) === 0) return false;
    return this.table.words[session * table.SESSION_WORDS + table.FALLBACK_SUBFLOW] === subflow;
  }

  /** How far IDSN + 1 of the initiator lies behind the first octet of its stream; 0 while that is not known. */
  initiatorShift(session: number): number {
    return this.table.state(session) & table.S_FAST_OPEN ? (this.fastOpens.shift(session) ?? 0) : 0;
  }

  /** The initiator's SYN carried octets, and nothing has told yet whether they count. */
  isShiftUnknown(session: number): boolean {
    return (this.table.state(session) & table.S_FAST_OPEN) !== 0 && this.fastOpens.shift(session) === null;
  }

  /** Takes a side's IDSN from the DSN of its first octet, where its key was not seen. */
  learnIdsn(session: number, side: number, dsnHi: number, dsnLo: number): void {
    if (this.table.state(session) & (table.S_IDSN << side)) return;
    const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
    this.table.words[at + table.IDSN_HI] = dsnLo === 0 ? dsnHi - 1 : dsnHi;
    this.table.words[at + table.IDSN_LO] = dsnLo - 1;
    this.table.set(session, table.S_IDSN << side);
  }

  /** Whether a session is an orphan whose handshake may still come. */
  awaitsHandshake(session: number): boolean {
    return (this.table.state(session) & (table.S_ORPHAN | table.S_SETTLED)) === table.S_ORPHAN;
  }

  /** What an orphan, whose joins turn out to be this session's, leaves to it besides its subflows. */
  inherit(session: number, side: number, orphan: number): void {
    const startOf = (one: number): number => (one * table.SESSION_WORDS + table.SESSION_START) >> 1;
    const { floats, words } = this.table;
    floats[startOf(session)] = Math.min(floats[startOf(session)]!, floats[startOf(orphan)]!);
    const unplaced = words[orphan * table.SESSION_WORDS + table.UNPLACED]!;
    if (unplaced > 0) this.noteUnplaced(session, side, unplaced);
  }

  /** Counts octets that cannot be placed because the stream's beginning is unknown. */
  noteUnplaced(session: number, side: number, octets: number): void {
    this.table.words[session * table.SESSION_WORDS + table.UNPLACED + side]! += octets;
  }

  /** Which side of the session sends what the higher (1) or lower (0) endpoint of a subflow sends. */
  sideOf(subflow: number, higher: number): 0 | 1 {
    const state = this.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
    const byOpener = (higher === 1) === ((state & flow.STATE_OPENER_HIGHER) !== 0);
    return byOpener === ((this.join(subflow) & OPENED_BY_RESPONDER) === 0) ? 0 : 1;
  }

  /** 1 when the subflow's higher endpoint belongs to this side of the session. */
  higherOf(subflow: number, side: number): 0 | 1 {
    return this.sideOf(subflow, 1) === side ? 1 : 0;
  }

  /** Four address words of one side's endpoint of a subflow. */
  addressWords(subflow: number, side: number): Uint32Array {
    const at = subflow * flow.HOT_WORDS + flow.KEY + this.higherOf(subflow, side) * 4;
    return this.subflows.hot.subarray(at, at + 4);
  }

  /** The port of one side's endpoint of a subflow. */
  port(subflow: number, side: number): number {
    const ports = this.subflows.hot[subflow * flow.HOT_WORDS + flow.KEY + 8]!;
    return this.higherOf(subflow, side) ? ports & 0xffff : ports >>> 16;
  }

  /** µs of a session's newest packet. */
  lastMicros(session: number): number {
    let last = this.table.floats[(session * table.SESSION_WORDS + table.SESSION_START) >> 1]!;
    for (const subflow of this.subflowsOf(session)) {
      last = Math.max(last, this.subflows.hotFloat[(subflow * flow.HOT_WORDS + flow.LAST_MICROS) >> 1]!);
    }
    return last;
  }

  /** Notes that a subflow is closed; the session counts how many are not. */
  closeSubflow(subflow: number): void {
    if (this.join(subflow) & IS_CLOSED) return;
    this.setJoin(subflow, IS_CLOSED);
    this.table.words[this.sessionOf(subflow) * table.SESSION_WORDS + table.OPEN_SUBFLOWS]!--;
  }

  /** Forgets a session and its subflows. */
  release(session: number): void {
    const state = this.table.state(session);
    for (const side of [0, 1]) {
      if (state & (table.S_KEY << side) || state & table.S_ORPHAN) {
        this.tokens.remove(this.mix(this.tokenOf(session, side)), session * 2 + side);
      }
      this.outOfOrder.release(session * 2 + side);
      this.memory.release(session * 2 + side);
      this.outOfOrder.near[(session * 2 + side) * LINE_NUMBERS + ACKNOWLEDGED] = 0;
      this.repeats.delete(session * 2 + side);
    }
    this.young.remove(session);
    this.empty.remove(session);
    this.addresses.delete(session);
    this.fastOpens.forget(session);
    this.rareOptions.delete(session);
    for (const subflow of this.subflowsOf(session)) this.releaseSubflow(subflow);
    this.table.release(session);
  }

  /** Forgets a subflow that is in no session, or in one that ends. */
  releaseSubflow(subflow: number): void {
    this.checksums.delete(subflow * 2);
    this.checksums.delete(subflow * 2 + 1);
    this.pending.remove(subflow);
    this.thirdAcks.delete(subflow);
    this.subflows.release(subflow);
  }
}
