import { NewOctets } from "../reassembly/new-octets.ts";
import { isWorth } from "../reassembly/octet-memory.ts";
import { noteRepeated } from "./repeats.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Octets that may lie between the highest one seen and a new one: four times what any window allows (RFC 8684 §3.3.5),
 * so that a gap in the mirror is a hole, and a number made up by somebody is refused.
 */
export const MAX_AHEAD = 2 ** 32;

/**
 * Cut segments whose places a record lists, in up to NEAR_RANGES ranges: where every segment is cut, a longer list would tell
 * nothing.
 */
const LISTED_CUTS = 8;

/**
 * Puts pieces of payload into streams. What was not there before is counted, remembered and handed on; what comes again
 * is compared with what came first, which wins (docs/architecture.md).
 */
export class Placement {
  readonly sessions: Sessions;
  /** What is placed now are second copies of packets: what of it is there already came once. */
  areCopies = false;
  /** Up to which offset the segment in hand acknowledges the other side's stream; 0 where nobody wants to know. */
  acknowledged = Number.NaN;
  private readonly fresh = new NewOctets();
  /** The segment in hand: its block, where offset 0 would lie in it, where its copy ends, who brought it, and when. */
  private block: Uint8Array = new Uint8Array(0);
  /** NaN before the first: V8 then keeps doubles there from the beginning, as at NO_WORD in src/wire/mptcp.ts. */
  private zeroAt = Number.NaN;
  private capturedEnd = Number.NaN;
  private subflow = 0;
  private agent = 0;
  private atMicros = Number.NaN;

  constructor(sessions: Sessions) {
    this.sessions = sessions;
  }

  /** Places `length` octets from `offset`, of which the copy of `atMicros` holds the first `captured`, from `at` of `block`. */
  place(
    session: number,
    side: 0 | 1,
    offset: number,
    length: number,
    captured: number,
    block: Uint8Array,
    at: number,
    subflow: number,
    agent: number,
    atMicros: number,
  ): void {
    const { words, floats } = this.sessions.table;
    const base = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
    const half = base >> 1;
    const contiguous = floats[half + (table.CONTIGUOUS >> 1)]!;
    const end = offset + length;
    const highest = floats[half + (table.HIGHEST >> 1)]!;
    if (end - highest > MAX_AHEAD) {
      this.sessions.noteUnplaced(session, side, length);
      return;
    }
    // Before IDSN + 1: no octet of the stream.
    if (offset < 0) this.sessions.noteUnplaced(session, side, Math.min(end, 0) - offset);
    if (end <= 0) return;
    this.block = block;
    this.zeroAt = at - offset;
    this.capturedEnd = offset + captured;
    this.subflow = subflow;
    this.agent = agent;
    this.atMicros = atMicros;
    const begin = Math.max(offset, 0);
    if (begin < contiguous) this.takeAgain(session, side, begin, Math.min(end, contiguous));
    if (end <= contiguous) return;
    if (offset <= contiguous && words[base + table.OUT_OF_ORDER] === 0) {
      this.takeNew(session, side, contiguous, end);
      floats[half + (table.CONTIGUOUS >> 1)] = end;
      if (end > highest) floats[half + (table.HIGHEST >> 1)] = end;
      return;
    }
    this.placeBeyond(session, side, Math.max(offset, contiguous), end);
  }

  /** Places [from, end), where other octets are already that lie beyond the contiguous part. */
  private placeBeyond(session: number, side: 0 | 1, from: number, end: number): void {
    const { words, floats } = this.sessions.table;
    const { outOfOrder } = this.sessions;
    const base = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
    const half = base >> 1;
    const stream = session * 2 + side;
    const ranges = outOfOrder.add(stream, words[base + table.OUT_OF_ORDER]!, from, end);
    if (ranges < 0) {
      words[session * table.SESSION_WORDS + table.REFUSED_RANGES + side]!++;
      this.sessions.noteUnplaced(session, side, end - from);
      return;
    }
    if (end > floats[half + (table.HIGHEST >> 1)]!) floats[half + (table.HIGHEST >> 1)] = end;
    let at = from;
    for (let piece = 0; piece < outOfOrder.pieceCount; piece++) {
      const start = outOfOrder.pieces[piece * 2]!;
      if (at < start) this.takeAgain(session, side, at, start);
      at = outOfOrder.pieces[piece * 2 + 1]!;
      this.takeNew(session, side, start, at);
    }
    if (at < end) this.takeAgain(session, side, at, end);
    words[base + table.OUT_OF_ORDER] = outOfOrder.advance(stream, ranges, floats[half + (table.CONTIGUOUS >> 1)]!);
    floats[half + (table.CONTIGUOUS >> 1)] = outOfOrder.reached;
  }

  /** Counts, remembers and hands on [from, to), which is new. */
  private takeNew(session: number, side: 0 | 1, from: number, to: number): void {
    const { floats } = this.sessions.table;
    const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
    floats[half + (table.OCTETS >> 1)]! += to - from;
    const present = Math.min(to, this.capturedEnd) - from;
    if (present > 0) {
      const { fresh } = this;
      fresh.stream = session * 2 + side;
      fresh.offset = from;
      fresh.block = this.block;
      fresh.at = this.zeroAt + from;
      fresh.length = present;
      fresh.subflow = this.subflow;
      fresh.agent = this.agent;
      fresh.atMicros = this.atMicros;
      fresh.acknowledged = this.acknowledged;
      this.sessions.octets.take(fresh, isWorth(present, to - from));
    }
    if (present < to - from) this.noteCut(session, side, Math.max(from, this.capturedEnd), to);
  }

  private takeAgain(session: number, side: 0 | 1, from: number, to: number): void {
    if (this.areCopies) return;
    const stream = session * 2 + side;
    const { memory } = this.sessions;
    memory.compare(stream, from, Math.min(to, this.capturedEnd), this.block, this.zeroAt, this.subflow);
    noteRepeated(this.sessions, stream, to - from, this.subflow, this.agent);
  }

  /** Counts octets that were on the wire and are not in the copy. */
  private noteCut(session: number, side: number, from: number, to: number): void {
    const { words, floats } = this.sessions.table;
    const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
    floats[half + (table.CUT >> 1)]! += to - from;
    const firstCut = floats[half + (table.FIRST_CUT >> 1)]!;
    if (firstCut === 0 || from < firstCut - 1) floats[half + (table.FIRST_CUT >> 1)] = from + 1;
    const path = half * 2 + table.PATH;
    if (words[path]! & table.ALL_CUTS_LISTED) return;
    const at = session * table.SESSION_WORDS + table.CUT_RANGES + side;
    const listed = words[at]!;
    const ranges = this.sessions.cuts.add(session * 2 + side, listed & 0xff, from, to);
    words[at] = ((listed & ~0xff) + 0x100) | (ranges < 0 ? listed & 0xff : ranges);
    if (ranges < 0 || words[at]! >>> 8 === LISTED_CUTS) words[path]! |= table.ALL_CUTS_LISTED;
  }
}
