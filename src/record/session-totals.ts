import type { Totals } from "../pipeline-contract.ts";
import type { Close } from "../session/ending.ts";
import { fallbackOf } from "../session/fallback.ts";
import * as join from "../session/join-state.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { evidenceOf } from "./session-record.ts";
import { coverage, missingOctets } from "./stream-record.ts";
import { subflowCloseReason } from "./subflow-record.ts";
import { VerdictTotals } from "./verdict-totals.ts";

/** Counts what became of sessions, out of their state: whoever wants totals alone pays for no records. */
export class SessionTotals {
  private opened = 0;
  private ended = 0;
  private halfOpen = 0;
  private partial = 0;
  private readonly endedBy: Record<string, number> = {};
  private readonly subflows = { initial: 0, joined: 0, orphan: 0 };
  private readonly subflowsEndedBy: Record<string, number> = {};
  private readonly fallbacks: Record<string, number> = {};
  private readonly octets = { initiator: 0, responder: 0, missing: 0, acknowledged: 0, unseen: 0, conflicting: 0 };
  private readonly verdicts = new VerdictTotals();

  /** Counts a session that is one now. */
  addOpened(): void {
    this.opened++;
  }

  /** Counts a session that ends, and what its record tells or would tell. */
  addEnded(sessions: Sessions, session: number, close: Close): void {
    const state = sessions.table.state(session);
    this.addSubflows(sessions, session, (state & table.S_ESTABLISHED) !== 0);
    if ((state & table.S_ESTABLISHED) === 0) {
      this.halfOpen++;
      return;
    }
    if (evidenceOf(state) !== "handshake") {
      this.partial++;
      if (state & table.S_ORPHAN)
        this.subflows.orphan += sessions.table.words[session * table.SESSION_WORDS + table.SUBFLOWS]!;
      return;
    }
    this.ended++;
    increase(this.endedBy, close.reason);
    const half = (session * table.SESSION_WORDS + table.SIDE) >> 1;
    const { floats } = sessions.table;
    this.octets.initiator += floats[half + (table.OCTETS >> 1)]!;
    this.octets.responder += floats[half + ((table.SIDE_WORDS + table.OCTETS) >> 1)]!;
    for (const side of [0, 1] as const) this.addCoverage(sessions, session, side);
    const fallback = fallbackOf(sessions, session);
    if (fallback !== null) increase(this.fallbacks, fallback.cause);
    this.verdicts.add(sessions, session);
    for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
      const word = sessions.join(one);
      if (word & join.IS_INITIAL) this.subflows.initial++;
      else if (word & join.IS_JOINED) this.subflows.joined++;
    }
  }

  private addSubflows(sessions: Sessions, session: number, isEstablished: boolean): void {
    for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
      increase(this.subflowsEndedBy, isEstablished ? subflowCloseReason(sessions, session, one) : "half-open");
    }
  }

  private addCoverage(sessions: Sessions, session: number, side: 0 | 1): void {
    const { acknowledged, unseen } = coverage(sessions, session, side) ?? { acknowledged: 0, unseen: 0 };
    this.octets.missing += missingOctets(sessions, session, side);
    this.octets.acknowledged += acknowledged;
    this.octets.unseen += unseen;
    this.octets.conflicting += sessions.rare.repeats.get(session * 2 + side)?.conflicting ?? 0;
  }

  /** By reason: subflows of sessions that ended, half-open ones included. */
  get subflowEnds(): Readonly<Record<string, number>> {
    return { ...this.subflowsEndedBy };
  }

  /** Counts since the start. */
  totals(): Pick<Totals, "sessions" | "endedBy" | "subflows" | "fallbacks" | "octets" | "verdicts"> {
    const { opened, ended, partial, halfOpen } = this;
    return {
      sessions: { opened, ended, live: opened - ended, partial, halfOpen },
      endedBy: { ...this.endedBy },
      subflows: { ...this.subflows },
      fallbacks: { ...this.fallbacks },
      octets: { ...this.octets },
      verdicts: this.verdicts.totals(),
    };
  }
}

function increase(counts: Record<string, number>, what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}
