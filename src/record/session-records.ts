import { SessionFindings } from "../findings/session-findings.ts";
import type { PipelineOptions, Side, TableUse, Totals } from "../pipeline-contract.ts";
import type { OctetWishes } from "../reassembly/stream-octets.ts";
import type { Close } from "../session/ending.ts";
import { sessionId } from "../session/identity.ts";
import type { SessionObserver } from "../session/session-observer.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { PAST_IDS, SessionIds } from "./session-ids.ts";
import { type Copiers, evidenceOf, sessionRecord } from "./session-record.ts";
import { type SessionSummary, sessionSummary } from "./session-summary.ts";
import { SessionTotals } from "./session-totals.ts";
import { UpdateBudget } from "./update-budget.ts";

/** Places of the session table that one call of `live` looks at: its time does not depend on how many were taken once. */
const MAX_LOOKS = 2 ** 16;

/** Makes records of what happens to sessions, hands their octets on, and counts both. */
export class SessionRecords implements SessionObserver {
  readonly octets: OctetWishes;
  readonly partial: boolean;
  private readonly options: PipelineOptions;
  private readonly agents: Copiers;
  private sessions: Sessions | null = null;
  /** Of sessions whose octets or records were asked for. */
  private readonly ids = new SessionIds(PAST_IDS);

  private readonly sessionTotals = new SessionTotals();
  private records = 0;
  private readonly findings = new SessionFindings();
  private readonly updates = new UpdateBudget();
  private updatesLeftOut = 0;

  constructor(options: PipelineOptions, agents: Copiers) {
    this.options = options;
    this.partial = options.partial;
    this.agents = agents;
    const { octets: sink, chunk: take } = options;
    this.octets = {
      pieces:
        sink === null
          ? null
          : ({ stream, offset, block, at, length }) =>
              sink.octets(this.idOf(stream >>> 1), sideOf(stream), offset, block, at, length),
      chunk:
        take === undefined
          ? null
          : ({ stream, newestMicros: _, ...chunk }) =>
              take({ sessionId: this.idOf(stream >>> 1), side: sideOf(stream), ...chunk }),
      turns: false,
      digest: options.digest,
    };
  }

  /** Says whose sessions are meant: the session stage is made with its observer. */
  watch(sessions: Sessions): void {
    this.sessions = sessions;
  }

  opened(session: number, atMicros: number): void {
    this.sessionTotals.addOpened();
    if (this.options.revisions === "all") this.publish(session, null, atMicros);
  }

  updated(session: number, atMicros: number): void {
    if (this.options.revisions !== "all" || this.revisionOf(session) === 0) return;
    if (this.sessions !== null && this.updates.take(this.sessions.table, session, atMicros))
      this.publish(session, null, atMicros);
    else this.updatesLeftOut++;
  }

  ended(session: number, close: Close, atMicros: number): void {
    const sessions = this.sessions;
    if (sessions === null) return;
    this.sessionTotals.addEnded(sessions, session, close);
    if (sessions.table.state(session) & table.S_ESTABLISHED) this.publish(session, close, atMicros);
    this.forget(session);
  }

  /** Sessions that are alive and of which a record would tell when they end. */
  get untold(): number {
    const all = this.sessions?.table;
    let untold = 0;
    for (let session = 0; all !== undefined && session < all.used; session++) {
      const state = all.state(session);
      if ((state & table.S_ESTABLISHED) !== 0 && this.isTold(state)) untold++;
    }
    return untold;
  }

  /** At most `limit` live sessions from a place of the table on, and the place to go on from; null at the table's end. */
  live(from: number, limit: number): { readonly sessions: SessionSummary[]; readonly next: number | null } {
    const found: SessionSummary[] = [];
    const { sessions } = this;
    if (sessions === null) return { sessions: found, next: null };
    const { used, words } = sessions.table;
    const end = Math.min(used, from + MAX_LOOKS);
    let at = from;
    for (; at < end && found.length < limit; at++) {
      // A place that is free, or whose subflow has just gone to another session, has none.
      if (words[at * table.SESSION_WORDS + table.SUBFLOWS] === 0) continue;
      // An id is not given here: a session that is half-open may yet become part of another.
      const id = this.ids.known(at) ?? sessionId(sessions, at);
      found.push(sessionSummary(sessions, at, id, this.agents));
    }
    return { sessions: found, next: at < used ? at : null };
  }

  private isTold(state: number): boolean {
    return this.options.partial || evidenceOf(state) === "handshake";
  }

  merged(session: number): void {
    this.forget(session);
  }

  private forget(session: number): void {
    this.sessions?.octets.end(session);
    const id = this.ids.forget(session);
    if (id !== null) this.options.octets?.end?.(id);
  }

  /** Counts since the start, but for the packets. */
  totals(): Omit<Totals, "packetsIn" | "packets" | "flows" | "shed"> {
    return {
      ...this.sessionTotals.totals(),
      records: this.records,
      findings: this.findings.totals(),
      updatesLeftOut: this.updatesLeftOut,
    };
  }

  /** By reason: subflows of sessions that ended, half-open ones included. */
  get subflowEnds(): Readonly<Record<string, number>> {
    return this.sessionTotals.subflowEnds;
  }

  /** Findings that are remembered of live sessions. */
  get findingsUse(): TableUse {
    return this.findings.use;
  }

  private publish(session: number, close: Close | null, atMicros: number): void {
    const sessions = this.sessions;
    if (sessions === null) return;
    if (!this.isTold(sessions.table.state(session))) return;
    this.records++;
    const revision = ++sessions.table.words[session * table.SESSION_WORDS + table.REVISION]!;
    if (this.options.record === null) return;
    const record = sessionRecord(sessions, session, {
      sessionId: this.idOf(session),
      revision,
      observer: this.options.observer,
      // Packets of the same vector may be counted already that are younger than what the record is made for.
      atMicros: Math.max(atMicros, sessions.lastMicros(session)),
      close,
      isDigested: this.options.digest,
      agents: this.agents,
    });
    this.options.record(record);
    if (this.options.finding !== undefined) this.findings.take(record, this.options.finding);
  }

  private idOf(session: number): string {
    const { sessions } = this;
    return this.ids.of(session, () => (sessions === null ? "" : sessionId(sessions, session)));
  }

  private revisionOf(session: number): number {
    return this.sessions?.table.words[session * table.SESSION_WORDS + table.REVISION] ?? 0;
  }
}

const sideOf = (stream: number): Side => (stream & 1) as Side;
