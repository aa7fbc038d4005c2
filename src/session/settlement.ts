import { isRefused, verifySynAck, verifyThirdAck } from "./join.ts";
import * as join from "./join-state.ts";
import type { Memberships } from "./memberships.ts";
import type { Sessions } from "./sessions.ts";
import type { WaitingJoins } from "./waiting-joins.ts";

/**
 * When joins wait no longer: an orphan whose session's handshake is seen at last, or will not be; a join of which one
 * direction was seen, once the other side has acknowledged what it brought.
 */
export class Settlement {
  private readonly sessions: Sessions;
  private readonly memberships: Memberships;
  private readonly waiting: WaitingJoins;
  private readonly isPartial: boolean;
  private readonly released: (session: number, subflow: number, atMicros: number) => void;

  /**
   * @param isPartial whether orphans are told of
   * @param released told of subflows whose packets have been taken: they may have closed while these waited
   */
  constructor(
    sessions: Sessions,
    memberships: Memberships,
    waiting: WaitingJoins,
    isPartial: boolean,
    released: (session: number, subflow: number, atMicros: number) => void,
  ) {
    this.sessions = sessions;
    this.memberships = memberships;
    this.waiting = waiting;
    this.isPartial = isPartial;
    this.released = released;
  }

  /** Lets packet time pass. */
  advance(nowMicros: number): void {
    if (this.waiting.isDue(nowMicros)) {
      this.proveTaken();
      for (const subflow of this.waiting.subflows) {
        if (!this.waiting.isOverdue(subflow, nowMicros)) continue;
        const session = this.sessions.sessionOf(subflow);
        if (this.mustSettle(session)) this.settle(session);
        else this.waiting.giveUp(subflow, nowMicros);
      }
    }
    if (this.isPartial && this.waiting.isCrowded) this.settleAll();
  }

  /** Nothing more will come for anybody. */
  finish(): void {
    this.settleAll();
    this.proveTaken();
  }

  /** Whether a session is an orphan that is to be told of, and waits. */
  mustSettle(session: number): boolean {
    return this.isPartial && session >= 0 && this.sessions.awaitsHandshake(session);
  }

  /** Waits no longer for an orphan's handshake; returns the session that it is now. */
  settle(orphan: number): number {
    const subflows = this.sessions.subflowsOf(orphan);
    const session = this.memberships.settle(orphan, this.waiting.lowest(orphan));
    for (const subflow of subflows) {
      this.waiting.release(subflow);
      if (this.sessions.sessionOf(subflow) === session) {
        this.released(session, subflow, this.sessions.lastMicros(session));
      }
    }
    return session;
  }

  /** Orphans whose session is known now are taken in; those without room in it are forgotten. */
  adopt(session: number, atMicros: number): void {
    this.memberships.adopt(session, atMicros, (subflow, hasRoom) => {
      if (hasRoom) {
        this.waiting.release(subflow);
        this.released(session, subflow, atMicros);
      } else {
        this.waiting.forget(subflow);
        this.sessions.releaseSubflow(subflow);
      }
    });
  }

  /** Early joins of a session that is known now: takes what they said before, into the session whose HMACs they have. */
  releaseEarly(session: number, atMicros: number): void {
    const { sessions } = this;
    for (const subflow of sessions.subflowsOf(session)) {
      if ((sessions.join(subflow) & join.IS_JOINED) === 0) continue;
      // The HMACs are kept, even when their packets waited too long to be taken again.
      verifySynAck(sessions, session, subflow);
      if (isRefused(sessions.join(subflow))) this.memberships.correctOwner(session, subflow, atMicros);
      verifyThirdAck(sessions, sessions.sessionOf(subflow), subflow);
      this.waiting.release(subflow);
    }
  }

  private settleAll(): void {
    for (const subflow of this.waiting.subflows) {
      const session = this.sessions.sessionOf(subflow);
      if (this.mustSettle(session)) this.settle(session);
    }
  }

  /** Believes joins of which one direction was seen, once the other side has acknowledged what they brought. */
  private proveTaken(): void {
    for (const subflow of this.waiting.subflows) {
      const session = this.sessions.sessionOf(subflow);
      if (session < 0 || this.sessions.awaitsHandshake(session) || !this.waiting.isTaken(subflow)) continue;
      this.sessions.setJoin(subflow, join.IS_PROVEN);
      this.waiting.release(subflow);
      this.released(session, subflow, this.sessions.lastMicros(session));
    }
  }
}
