import * as flow from "../subflow/subflow-table.ts";
import type { Endings } from "./ending.ts";
import * as join from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Who gives way when a table is full. A flood of SYNs costs nothing to send, so what has shown least goes first: sessions
 * and joins that nobody answered, and those that stand for what was not seen, the oldest first; then sessions that never
 * carried an octet, the oldest first. A session whose handshake was seen is never given up once it carried octets, nor a
 * subflow that is open and proven.
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

  /** Makes room for a session; false when all that are known carried octets. */
  forSession(atMicros: number): boolean {
    const { young, empty } = this.sessions;
    let victim = young.oldest;
    while (victim < 0 && empty.oldest >= 0) {
      if (this.isEmpty(empty.oldest)) victim = empty.oldest;
      else empty.remove(empty.oldest);
    }
    if (victim < 0) return false;
    this.endings.giveUp(victim, atMicros);
    return true;
  }

  /** Makes room in the table of subflows, of what nobody answered or what was not seen to begin; false when there is none. */
  forSubflow(atMicros: number): boolean {
    if (this.dropOldestPending(atMicros)) return true;
    const { oldest } = this.sessions.young;
    if (oldest >= 0) this.endings.giveUp(oldest, atMicros);
    return oldest >= 0;
  }

  /**
   * Makes room for a join in a session that has as many subflows as the bound allows: for one that nobody answered, else
   * one that nothing shows to be the session's, else one that is closed. False when all are open and proven.
   */
  forJoin(session: number): boolean {
    const { sessions } = this;
    const joins = sessions.subflowsOf(session).filter((subflow) => sessions.join(subflow) & join.IS_JOINED);
    const victim =
      joins.find((subflow) => this.isPending(subflow)) ??
      joins.find((subflow) => (sessions.join(subflow) & join.IS_PROVEN) === 0) ??
      joins.find((subflow) => sessions.join(subflow) & join.IS_CLOSED);
    if (victim === undefined) return false;
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
      if (this.sessions.subflowsOf(session).length === 1) this.endings.giveUp(session, atMicros);
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

  private isPending(subflow: number): boolean {
    const state = this.sessions.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
    const word = this.sessions.join(subflow);
    return (word & (join.IS_JOINED | join.IS_PROVEN)) === join.IS_JOINED && (state & flow.STATE_SYN_ACK) === 0;
  }

  private isEmpty(session: number): boolean {
    const half = (session * table.SESSION_WORDS + table.SIDE + table.OCTETS) >> 1;
    const { floats } = this.sessions.table;
    return floats[half] === 0 && floats[half + (table.SIDE_WORDS >> 1)] === 0;
  }
}
