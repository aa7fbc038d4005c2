import type { Totals } from "../pipeline-contract.ts";
import type { Close } from "../session/ending.ts";
import * as join from "../session/join-state.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { evidenceOf } from "./session-record.ts";
import { missingOctets } from "./stream-record.ts";
import { VerdictTotals } from "./verdict-totals.ts";

/** Counts what became of sessions, out of their state: whoever wants totals alone pays for no records. */
export class SessionTotals {
  private opened = 0;
  private ended = 0;
  private halfOpen = 0;
  private partial = 0;
  private readonly endedBy: Record<string, number> = {};
  private readonly subflows = { initial: 0, joined: 0, orphan: 0 };
  private readonly octets = { initiator: 0, responder: 0, missing: 0 };
  private readonly verdicts = new VerdictTotals();

  /** Counts a session that is one now. */
  addOpened(): void {
    this.opened++;
  }

  /** Counts a session that ends, and what its record tells or would tell. */
  addEnded(sessions: Sessions, session: number, close: Close): void {
    const state = sessions.table.state(session);
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
    this.endedBy[close.reason] = (this.endedBy[close.reason] ?? 0) + 1;
    const half = (session * table.SESSION_WORDS + table.SIDE) >> 1;
    const { floats } = sessions.table;
    this.octets.initiator += floats[half + (table.OCTETS >> 1)]!;
    this.octets.responder += floats[half + ((table.SIDE_WORDS + table.OCTETS) >> 1)]!;
    this.octets.missing += missingOctets(sessions, session, 0) + missingOctets(sessions, session, 1);
    this.verdicts.add(sessions, session);
    for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
      const word = sessions.join(one);
      if (word & join.IS_INITIAL) this.subflows.initial++;
      else if (word & join.IS_JOINED) this.subflows.joined++;
    }
  }

  /** Counts since the start. */
  totals(): Pick<Totals, "sessions" | "endedBy" | "subflows" | "octets" | "verdicts"> {
    const { opened, ended, partial, halfOpen } = this;
    return {
      sessions: { opened, ended, live: opened - ended, partial, halfOpen },
      endedBy: { ...this.endedBy },
      subflows: { ...this.subflows },
      octets: { ...this.octets },
      verdicts: this.verdicts.totals(),
    };
  }
}
