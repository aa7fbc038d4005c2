import { LATE_MICROS } from "../packet-clock.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { Endings } from "./ending.ts";
import * as join from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { PENDING, UNPROVEN } from "./subflow-lists.ts";

/** A session that carried no more octets, both ways together, is small. */
const SMALL_OCTETS = 1024;
/** Small sessions that are looked at for the one that was idle longest. */
const LOOKS = 16;

/**
 * Who gives way when a table is full. A flood of SYNs costs nothing to send, so what has shown least goes first: sessions
 * and joins that nobody answered, and those that stand for what was not seen, the oldest first. An established session
 * gives way to none but another one that is established: the oldest that never carried an octet, else of some that carried
 * few the longest idle. One that carried more is never given up, nor a subflow that is open and proven.
 */
export class Room {
  private readonly sessions: Sessions;
  private readonly endings: Endings;
  private readonly maxPendingJoins: number;
  private readonly gone: (subflow: number) => void;

  /**
   * @param maxPendingJoins joins in all sessions that nobody has answered; past it the oldest is given up
   * @param gone told of a subflow that is given up while its session stays, before it is forgotten
   */
  constructor(sessions: Sessions, endings: Endings, maxPendingJoins: number, gone: (subflow: number) => void) {
    this.sessions = sessions;
    this.endings = endings;
    this.maxPendingJoins = maxPendingJoins;
    this.gone = gone;
  }

  /** Makes room for a session; false when none is half-open or stands for what was not seen. */
  forSession(atMicros: number): boolean {
    const { oldest } = this.sessions.young;
    if (oldest >= 0) this.endings.giveUp(oldest, atMicros);
    return oldest >= 0;
  }

  /** Notes that a session is established. Where all places are taken by such, one gives way, for the next SYN to have one. */
  noteEstablished(session: number, atMicros: number): void {
    const { young, empty, table: all } = this.sessions;
    young.remove(session);
    if (all.live === all.capacity && young.oldest < 0) {
      const empties = this.oldestEmpty();
      const victim = empties >= 0 ? empties : this.idlestSmall(atMicros);
      if (victim >= 0) this.endings.giveUp(victim, atMicros);
    }
    empty.add(session);
  }

  /** Makes room in the table of subflows, of what nobody answered or what was not seen to begin; false when there is none. */
  forSubflow(atMicros: number): boolean {
    if (this.dropOldestPending(atMicros)) return true;
    const { oldest } = this.sessions.young;
    if (oldest >= 0) this.endings.giveUp(oldest, atMicros);
    return oldest >= 0;
  }

  /**
   * Makes room for a join in a session that has as many subflows as the bound allows: for the first that nobody answered,
   * else the first that nothing shows to be the session's, else the first that is closed. False when all are open and proven.
   */
  forJoin(session: number): boolean {
    const { members } = this.sessions;
    let victim = members.firstThat(session, PENDING, this.isPending);
    if (victim < 0) victim = members.firstThat(session, UNPROVEN, this.isUnproven);
    if (victim < 0) victim = this.firstClosed(session);
    if (victim < 0) return false;
    this.drop(session, victim);
    return true;
  }

  /** Notes a join that nobody has answered yet, of which there is a bound in all. */
  notePending(subflow: number, atMicros: number): void {
    while (this.sessions.pending.length >= this.maxPendingJoins) this.dropOldestPending(atMicros);
    this.sessions.pending.add(subflow);
  }

  private dropOldestPending(atMicros: number): boolean {
    for (let subflow = this.sessions.pending.oldest; subflow >= 0; subflow = this.sessions.pending.oldest) {
      this.sessions.pending.remove(subflow);
      const session = this.sessions.sessionOf(subflow);
      if (session < 0 || !this.isPending(subflow)) continue;
      if (this.sessions.table.words[session * table.SESSION_WORDS + table.SUBFLOWS] === 1)
        this.endings.giveUp(session, atMicros);
      else this.drop(session, subflow);
      return true;
    }
    return false;
  }

  private drop(session: number, subflow: number): void {
    this.sessions.table.words[session * table.SESSION_WORDS + table.SHED_SUBFLOWS]!++;
    this.sessions.detach(session, subflow);
    this.gone(subflow);
    this.sessions.releaseSubflow(subflow);
  }

  /** Fields, so that none is made for each join; what is not pending, or is proven, stays so (SubflowLists). */
  private readonly isPending = (subflow: number): boolean => {
    const state = this.sessions.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
    return this.isUnproven(subflow) && (state & flow.STATE_SYN_ACK) === 0;
  };

  private readonly isUnproven = (subflow: number): boolean =>
    (this.sessions.join(subflow) & (join.IS_JOINED | join.IS_PROVEN)) === join.IS_JOINED;

  /** The first join of a session that is closed, -1 when none is: as many SYNs as come to open ones cost no search. */
  private firstClosed(session: number): number {
    const { sessions } = this;
    const { words } = sessions.table;
    const base = session * table.SESSION_WORDS;
    const what = join.IS_JOINED | join.IS_CLOSED;
    let one = sessions.firstOf(session);
    // Only the first subflow can be none that joined.
    const isInitialClosed = (sessions.join(one) & what) === join.IS_CLOSED;
    if (words[base + table.SUBFLOWS]! - words[base + table.OPEN_SUBFLOWS]! - (isInitialClosed ? 1 : 0) === 0) return -1;
    while (one >= 0 && (sessions.join(one) & what) !== what) one = sessions.nextOf(one);
    return one;
  }

  private oldestEmpty(): number {
    const { empty, small } = this.sessions;
    for (let session = empty.oldest; session >= 0; session = empty.oldest) {
      if (this.octets(session) === 0) return session;
      empty.remove(session);
      small.add(session);
    }
    return -1;
  }

  /** Of some small sessions the one that was idle longest; the next time others are looked at. */
  private idlestSmall(atMicros: number): number {
    const { sessions } = this;
    const { small } = sessions;
    let idlest = -1;
    let last = Number.POSITIVE_INFINITY;
    for (let looks = Math.min(small.length, LOOKS); looks > 0; ) {
      const session = small.oldest;
      if (session < 0) break;
      if (this.octets(session) > SMALL_OCTETS) {
        small.remove(session);
        continue;
      }
      looks--;
      small.add(session);
      // What is ahead of this packet is silent since a clock was set back.
      const own = sessions.lastMicros(session, atMicros + LATE_MICROS);
      if (own >= last) continue;
      idlest = session;
      last = own;
    }
    return idlest;
  }

  /** Octets of both streams of a session. */
  private octets(session: number): number {
    const half = (session * table.SESSION_WORDS + table.SIDE + table.OCTETS) >> 1;
    const { floats } = this.sessions.table;
    return floats[half]! + floats[half + (table.SIDE_WORDS >> 1)]!;
  }
}
