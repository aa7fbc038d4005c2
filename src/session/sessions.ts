import { MAX_SUBFLOWS } from "../../schema/session-vocabulary.ts";
import { AgeList } from "../age-list.ts";
import type { Bounds } from "../pipeline-contract.ts";
import type { OctetMemory } from "../reassembly/octet-memory.ts";
import { type OctetWishes, StreamOctets } from "../reassembly/stream-octets.ts";
import { NEAR_RANGES, SPARE, StreamRanges } from "../reassembly/stream-ranges.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { SubflowTable } from "../subflow/subflow-table.ts";
import { takeCopies } from "../subflow/translated-packets.ts";
import { ACKNOWLEDGED } from "./acknowledged.ts";
import { IS_CLOSED, OPENED_BY_RESPONDER } from "./join-state.ts";
import { NO_SUBFLOW, renameSubflow } from "./named-subflows.ts";
import { RareEntries } from "./rare-entries.ts";
import * as table from "./session-table.ts";
import { SessionTokens } from "./session-tokens.ts";
import { SubflowLists } from "./subflow-lists.ts";

/** Ranges out of order of one stream; a further one is refused, and its octets count as shed. */
const MAX_RANGES = 4096;

/** In a stream's line of ranges: the number of its newest piece in `Sessions.memory`. */
const NEWEST_PIECE = SPARE + 1;

/**
 * Everything known of live sessions: the table, the index of their tokens, which subflows they have, ranges, and
 * what few of them have besides. A stream's number is session * 2 + side.
 */
export class Sessions {
  readonly table: table.SessionTable;
  readonly tokens: SessionTokens;
  readonly subflows: SubflowTable;
  /** Which subflows a session has. */
  readonly members: SubflowLists;
  /** Beyond the contiguous part of each stream, and before which octets copies were cut. */
  readonly outOfOrder: StreamRanges;
  readonly cuts: StreamRanges;
  /** Where the octets of streams go, and the newest of them. */
  readonly octets: StreamOctets;
  readonly memory: OctetMemory;
  readonly rare: RareEntries;
  /**
   * Sessions that are half-open or stand for what was not seen; established ones that may never have carried an octet, and
   * that may have carried few.
   */
  readonly young: AgeList;
  readonly empty: AgeList;
  readonly small: AgeList;
  /** Subflows that are joins without an answer. */
  readonly pending: AgeList;

  /**
   * @param bounds sessions; over all of them, octets of payload to be remembered, windows of octets that wait, third ACKs
   *   kept for keys to come, and rare entries of each kind
   * @param seed a secret number of this process: a host chooses its keys, and could choose tokens that collide
   * @param wishes what is wanted of the octets
   */
  constructor(
    bounds: Pick<Bounds, "sessions" | "rememberedOctets" | "streamWindows" | "thirdAcks" | "rareEntries">,
    subflows: SubflowTable,
    seed: number,
    wishes: OctetWishes,
  ) {
    const capacity = bounds.sessions;
    this.table = new table.SessionTable(capacity);
    this.subflows = subflows;
    this.members = new SubflowLists(this.table.words, subflows.cold);
    this.young = new AgeList(capacity);
    this.empty = new AgeList(capacity);
    this.small = new AgeList(capacity);
    this.pending = new AgeList(subflows.capacity);
    this.outOfOrder = new StreamRanges(this.table.floats, table.rangesAt, MAX_RANGES);
    this.cuts = StreamRanges.ofOwnLines(capacity * 2, NEAR_RANGES);
    const newestAt = (stream: number): number => table.rangesAt(stream) + NEWEST_PIECE;
    const newest = { numbers: this.table.floats, placeOf: newestAt };
    this.octets = new StreamOctets(capacity * 2, newest, bounds.rememberedOctets, bounds.streamWindows, wishes);
    this.memory = this.octets.memory;
    this.tokens = new SessionTokens(this.table, seed);
    this.rare = new RareEntries(bounds, subflows.capacity);
  }

  /** Whether a session has as many subflows as the bound allows. */
  isFull(session: number): boolean {
    return this.table.words[session * table.SESSION_WORDS + table.SUBFLOWS]! >= MAX_SUBFLOWS;
  }

  /** Puts a subflow into a session; false when the session has as many as the bound allows. */
  attach(session: number, subflow: number): boolean {
    const words = this.table.words;
    const base = session * table.SESSION_WORDS;
    if (this.isFull(session)) {
      words[base + table.SHED_SUBFLOWS]!++;
      return false;
    }
    this.members.append(session, subflow);
    words[base + table.SUBFLOWS]!++;
    if ((this.join(subflow) & IS_CLOSED) === 0) words[base + table.OPEN_SUBFLOWS]!++;
    words[base + table.DEADLINE] = 0;
    words[base + table.DEADLINE + 1] = 0;
    this.subflows.hot[subflow * flow.HOT_WORDS + flow.SESSION] = session + 1;
    return true;
  }

  /** Takes a subflow out of a session that it does not belong to after all, or no longer; what named it names `heir`. */
  detach(session: number, subflow: number, heir = NO_SUBFLOW): void {
    renameSubflow(this, session, subflow, heir);
    this.members.remove(session, subflow);
    const words = this.table.words;
    const base = session * table.SESSION_WORDS;
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
    this.detach(session, subflow, twin);
    this.pending.remove(subflow);
    this.rare.forgetSubflow(subflow);
    subflows.hot[subflow * flow.HOT_WORDS + flow.SESSION] = 0;
    takeCopies(subflows, subflow, twin);
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

  /** The subflow of a session that was attached first, -1 when it has none. */
  firstOf(session: number): number {
    return this.members.firstOf(session);
  }

  /** The subflow of the same session that was attached next, -1 when there is none. */
  nextOf(subflow: number): number {
    return this.members.nextOf(subflow);
  }

  /** The subflows of a session in the order they were attached. */
  subflowsOf(session: number): number[] {
    return this.members.of(session);
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
    return this.table.state(session) & table.S_FAST_OPEN ? (this.rare.fastOpens.shift(session) ?? 0) : 0;
  }

  /** The initiator's SYN carried octets, and nothing has told yet whether they count. */
  isShiftUnknown(session: number): boolean {
    return (this.table.state(session) & table.S_FAST_OPEN) !== 0 && this.rare.fastOpens.shift(session) === null;
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

  /** What an orphan, whose joins turn out to be for this side of the session, leaves to it besides its subflows. */
  inherit(session: number, side: number, orphan: number): void {
    const startOf = (one: number): number => (one * table.SESSION_WORDS + table.SESSION_START) >> 1;
    const { floats, words } = this.table;
    floats[startOf(session)] = Math.min(floats[startOf(session)]!, floats[startOf(orphan)]!);
    for (const one of [0, 1]) {
      const at = orphan * table.SESSION_WORDS + table.UNPLACED + one;
      // An orphan's token is its responder's.
      this.noteUnplaced(session, one === 1 ? side : 1 - side, words[at]!);
      words[at] = 0;
    }
  }

  /** Counts octets of a side that were seen and cannot be placed, for whatever reason. */
  noteUnplaced(session: number, side: number, octets: number): void {
    flow.addOctets(this.table.words, session * table.SESSION_WORDS + table.UNPLACED + side, octets);
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

  /** µs of a session's newest packet; of those of its subflows' last that are not past `until`, 0 where all are. */
  lastMicros(session: number, until = Number.POSITIVE_INFINITY): number {
    const start = this.table.floats[(session * table.SESSION_WORDS + table.SESSION_START) >> 1]!;
    let last = start > until ? 0 : start;
    for (let one = this.firstOf(session); one >= 0; one = this.nextOf(one)) {
      const own = this.subflows.hotFloat[(one * flow.HOT_WORDS + flow.LAST_MICROS) >> 1]!;
      if (own > last && own <= until) last = own;
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
      if (state & (table.S_KEY << side) || state & table.S_ORPHAN) this.tokens.remove(session, side);
      this.outOfOrder.release(session * 2 + side);
      this.memory.release(session * 2 + side);
      this.table.floats[table.rangesAt(session * 2 + side) + ACKNOWLEDGED] = 0;
    }
    this.young.remove(session);
    this.empty.remove(session);
    this.small.remove(session);
    this.rare.forgetSession(session);
    for (const subflow of this.subflowsOf(session)) this.releaseSubflow(subflow);
    this.members.forget(session);
    this.table.release(session);
  }

  /** Forgets a subflow that is in no session, or in one that ends. */
  releaseSubflow(subflow: number): void {
    this.pending.remove(subflow);
    this.rare.forgetSubflow(subflow);
    this.subflows.release(subflow);
  }
}
