import type { CLOSE_REASONS } from "../../schema/session-vocabulary.ts";
import { LATE_MICROS } from "../packet-clock.ts";
import { resetBy } from "../subflow/resets.ts";
import * as flow from "../subflow/subflow-row.ts";
import { fallbackOf } from "./fallback.ts";
import { IS_CLOSED, IS_JOINED, IS_PROVEN, IS_REPLACED } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { hasStatedEnd, isEndAcknowledged, streamEnd } from "./stream-end.ts";

/** An entry of CLOSE_REASONS. */
export type CloseReason = (typeof CLOSE_REASONS)[number];
/** Why a session ended and which side ended it, null where none did. */
export interface Close {
  readonly reason: CloseReason;
  readonly by: "initiator" | "responder" | "both" | null;
}

/** A closed session is kept this long for late copies of its last segments. */
const LINGER_MICROS = 1_000_000;
/** A session both of whose streams have ended, while a subflow is open: one whose FIN was lost, or that goes on repeating. */
const QUIET_MICROS = 10_000_000;
/** A session whose last subflow is closed without both DATA_FINs may open another (break before make); Linux waits this long. */
const BREAK_MICROS = 60_000_000;
/** A SYN that is not answered: past the last repetition that stacks make within their first minute. */
const HALF_OPEN_MICROS = 60_000_000;
/** No packet on any subflow. */
const IDLE_MICROS = 30 * 60_000_000;
/** How often packet time is looked at. */
const TICK_MICROS = 100_000;
/** Each tick looks at this share of the table for idle sessions, so that each is seen every ten seconds. */
const TICKS_PER_ROUND = 100;

/**
 * How a session would end if nothing more came: by its own doing, or null while it lives. A RST that may be somebody
 * else's, and that nothing came after, closes a subflow only where `isLast`: where nothing is waited for any more.
 */
export function naturalClose(sessions: Sessions, session: number, isLast = false): Close | null {
  const state = sessions.table.state(session);
  if (state & table.S_FASTCLOSE) {
    return { reason: "fastclose", by: state & table.S_FASTCLOSE_BY_RESPONDER ? "responder" : "initiator" };
  }
  const isOpen = hasOpenSubflow(sessions, session, isLast);
  // Anybody can state two ends in the hosts' names; only they acknowledge them, and close their subflows.
  const isEnded = isOpen ? hasAcknowledgedEnds(sessions, session) : hasEnded(sessions, session);
  if (isEnded && fallbackOf(sessions, session) === null) return { reason: "fin", by: "both" };
  if (isOpen) return null;
  if (mayHaveEnded(sessions, session)) return { reason: "fin", by: "both" };
  const subflows = sessions.subflowsOf(session);
  if (subflows.some((subflow) => sessions.join(subflow) & IS_REPLACED)) return { reason: "replaced", by: null };
  const resets = subflows.filter((subflow) => resetBy(sessions.subflows, subflow) !== null);
  const lastReset = resets.sort((a, b) => lastMicros(sessions, a) - lastMicros(sessions, b)).at(-1);
  if (lastReset !== undefined) {
    const higher = resetBy(sessions.subflows, lastReset) ?? 0;
    return { reason: "reset", by: sessions.sideOf(lastReset, higher) === 0 ? "initiator" : "responder" };
  }
  const [isByInitiator, isByResponder] = [0, 1].map((side) => hasStatedEnd(sessions, session, side));
  return { reason: "fin", by: isByInitiator ? "initiator" : isByResponder ? "responder" : null };
}

/** A join that nobody answered, or that nothing shows to be the session's, keeps no session open. */
function hasOpenSubflow(sessions: Sessions, session: number, isLast = false): boolean {
  if (sessions.table.words[session * table.SESSION_WORDS + table.OPEN_SUBFLOWS] === 0) return false;
  const isOrphan = (sessions.table.state(session) & table.S_ORPHAN) !== 0;
  for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
    const word = sessions.join(one);
    if (isLast && resetBy(sessions.subflows, one) !== null) continue;
    if ((word & IS_CLOSED) === 0 && (isOrphan || (word & IS_JOINED) === 0 || (word & IS_PROVEN) !== 0)) return true;
  }
  return false;
}

const lastMicros = (sessions: Sessions, subflow: number): number =>
  sessions.subflows.hotFloat[(subflow * flow.HOT_WORDS + flow.LAST_MICROS) >> 1]!;

/** Whether both streams have ended. */
const hasEnded = (sessions: Sessions, session: number): boolean =>
  streamEnd(sessions, session, 0) !== null && streamEnd(sessions, session, 1) !== null;

/** Whether both streams have ended, and as far as can be told their receivers say so. */
const hasAcknowledgedEnds = (sessions: Sessions, session: number): boolean =>
  isEndAcknowledged(sessions, session, 0) && isEndAcknowledged(sessions, session, 1);

/** Whether both sides state that their streams end, though nothing may show that they have. */
const mayHaveEnded = (sessions: Sessions, session: number): boolean =>
  hasStatedEnd(sessions, session, 0) && hasStatedEnd(sessions, session, 1);

/** How a session ends of which nothing more comes: as both sides state that it does, else for this reason. */
function lastClose(sessions: Sessions, session: number, reason: CloseReason): Close {
  const stated: Close | null = mayHaveEnded(sessions, session) ? { reason: "fin", by: "both" } : null;
  return naturalClose(sessions, session, true) ?? stated ?? { reason, by: null };
}

/** Where a session's DEADLINE stands. */
const deadlineAt = (session: number): number => (session * table.SESSION_WORDS + table.DEADLINE) >> 1;

/** Decides, in packet time, when sessions are over. Calls `end` for each with the time it ended; `end` releases it. */
export class Endings {
  private readonly sessions: Sessions;
  private readonly end: (session: number, close: Close, atMicros: number) => void;
  /** Sessions with a DEADLINE; bounded by the session table. */
  private readonly closing = new Set<number>();
  /** When sessions were first seen whose last packet is ahead of packet time; bounded by the session table. */
  private readonly ahead = new Map<number, number>();
  private hand = 0;
  private nextTick = 0;
  private newest = 0;

  constructor(sessions: Sessions, end: (session: number, close: Close, atMicros: number) => void) {
    this.sessions = sessions;
    this.end = end;
  }

  /** A session may be over: sets its deadline, or takes it back when a subflow is open again. */
  consider(session: number, nowMicros: number): void {
    const { floats } = this.sessions.table;
    const at = deadlineAt(session);
    const close = naturalClose(this.sessions, session);
    if (close === null && !mayHaveEnded(this.sessions, session)) {
      floats[at] = 0;
      this.closing.delete(session);
      return;
    }
    floats[at] = nowMicros + this.linger(session, close);
    this.closing.add(session);
  }

  /** How long a session that ends so is kept. */
  private linger(session: number, close: Close | null): number {
    const { sessions } = this;
    if (close === null) return QUIET_MICROS;
    // RFC 8684 §3.3.3: without DATA_FINs both ways the connection is closed only after a timeout.
    if (!this.isOver(session, close) && fallbackOf(sessions, session) === null) return BREAK_MICROS;
    return close.reason === "fin" && hasOpenSubflow(sessions, session) ? QUIET_MICROS : LINGER_MICROS;
  }

  /** Whether a session that ends so ends by more than that its subflows are closed. */
  private isOver(session: number, close: Close): boolean {
    return close.reason === "fastclose" || close.reason === "replaced" || hasEnded(this.sessions, session);
  }

  /**
   * How long a session that is due must have been quiet to end so. A RST or FIN that its host did not take, because
   * somebody made it up (RFC 5961), closes no subflow: what goes on shows it.
   */
  private patience(session: number, close: Close | null): number {
    if (hasOpenSubflow(this.sessions, session)) return QUIET_MICROS;
    return close === null || this.isOver(session, close) ? 0 : this.linger(session, close);
  }

  /** Forgets a session that has ended. */
  forget(session: number): void {
    this.closing.delete(session);
    this.ahead.delete(session);
  }

  /** Ends what is due at this packet time. Time steps back only where a clock was set back: that ends nothing by itself. */
  advance(nowMicros: number): void {
    if (nowMicros < this.newest) this.nextTick = nowMicros + TICK_MICROS;
    this.newest = nowMicros;
    if (this.newest < this.nextTick) return;
    this.nextTick = this.newest + TICK_MICROS;
    this.renewDeadlines();
    for (const session of this.due()) {
      const close = naturalClose(this.sessions, session);
      const since = this.quietSince(session);
      if (this.newest - since < this.patience(session, close)) this.consider(session, since);
      else if (close !== null) this.end(session, close, this.deadline(session));
      // Octets that were missing, or an acknowledgment, may come and show that it has ended.
      else this.sessions.table.floats[deadlineAt(session)] = this.deadline(session) + QUIET_MICROS;
    }
    this.sweep();
  }

  /** A deadline so far ahead was set before the clock was set back, or for a packet that stated a time far ahead. */
  private renewDeadlines(): void {
    const farthest = this.newest + BREAK_MICROS + LATE_MICROS;
    for (const session of this.closing) {
      if (this.deadline(session) > farthest) this.consider(session, this.quietSince(session));
    }
  }

  /**
   * Since when a session is quiet: its last packet; or where that is ahead of packet time, which was set back then, the
   * moment at which this was first seen.
   */
  private quietSince(session: number): number {
    const { sessions, ahead, newest } = this;
    const last = sessions.lastMicros(session);
    if (last <= newest + LATE_MICROS) {
      ahead.delete(session);
      return last;
    }
    const seen = Math.min(ahead.get(session) ?? newest, newest);
    ahead.set(session, seen);
    // One of its subflows may go on.
    return Math.max(seen, sessions.lastMicros(session, newest + LATE_MICROS));
  }

  /** Sessions whose deadline is past, in its order: when ticks fall must not show in what comes out. */
  private due(): number[] {
    const due = [...this.closing].filter((session) => this.deadline(session) <= this.newest);
    return due.sort((a, b) => this.deadline(a) - this.deadline(b) || this.start(a) - this.start(b));
  }

  private start(session: number): number {
    return this.sessions.table.floats[(session * table.SESSION_WORDS + table.SESSION_START) >> 1]!;
  }

  private deadline(session: number): number {
    return this.sessions.table.floats[deadlineAt(session)]!;
  }

  /**
   * Ends every session, one at each step, in the order of their last packets: as it ended by itself, or for this reason while
   * it lives.
   */
  *finishing(reason: "end-of-input" | "shutdown"): Generator<void> {
    this.nextTick = 0;
    this.advance(this.newest);
    const { table: all } = this.sessions;
    const left: { session: number; last: number }[] = [];
    for (let session = 0; session < all.used; session++) {
      if (all.state(session) & table.S_IN_USE) left.push({ session, last: this.sessions.lastMicros(session) });
    }
    for (const { session, last } of left.sort(
      (a, b) => a.last - b.last || this.start(a.session) - this.start(b.session),
    )) {
      this.end(session, lastClose(this.sessions, session, reason), last);
      yield;
    }
  }

  /** Gives a session up, to make room. */
  giveUp(session: number, atMicros: number): void {
    this.end(session, { reason: "evicted", by: null }, atMicros);
  }

  private sweep(): void {
    const { table: all } = this.sessions;
    for (let left = Math.ceil(all.used / TICKS_PER_ROUND); left > 0; left--) {
      this.hand = this.hand + 1 < all.used ? this.hand + 1 : 0;
      const state = all.state(this.hand);
      if ((state & table.S_IN_USE) === 0) continue;
      const quiet = this.newest - this.quietSince(this.hand);
      if (quiet > (state & table.S_ESTABLISHED ? IDLE_MICROS : HALF_OPEN_MICROS)) {
        this.end(this.hand, lastClose(this.sessions, this.hand, "idle"), this.newest);
      }
    }
  }
}
