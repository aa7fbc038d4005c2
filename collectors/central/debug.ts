import type { SessionSummary } from "../../src/record/session-summary.ts";
import type { Page, Route } from "../runtime/admin-server.ts";
import { VERSION } from "../runtime/version.ts";
import type { AdminView } from "./admin.ts";
import type { CollectorReport } from "./collector-contract.ts";
import type { Phase } from "./health.ts";

/** Entries of a page where nothing is said. */
const LIMIT = 100;
/** Entries of a page at most: what an answer takes of memory and of the event loop's time. */
export const MAX_PAGE_ENTRIES = 1000;

/** What `/debug/sessions` answers: a page of live sessions. */
export interface SessionsPage {
  /** Sessions that are in the table, half-open ones included. */
  readonly live: number;
  readonly sessions: readonly SessionSummary[];
  /** `from` of the next page; null: there is none. */
  readonly next: number | null;
}

/** What `/debug/agents` answers: a page of loss ledgers, a stream or socket each. */
export interface AgentsPage {
  readonly streams: number;
  readonly agents: CollectorReport["agents"];
  readonly next: number | null;
}

/** What `/debug/totals` answers: all that is counted since the start, and how full tables and outbox are. */
export interface TotalsPage extends Omit<CollectorReport, "agents"> {
  readonly name: string;
  readonly version: string;
  readonly phase: Phase;
  readonly uptimeMs: number;
}

/**
 * The routes under `/debug/`, which answer with JSON: ends and counts, never an MPTCP key, token, nonce or HMAC, nor
 * payload. Where they are not `isOpen`, neither on loopback nor behind a token, they say what is missing.
 */
export function debugRoutes(
  view: Readonly<AdminView>,
  reportOf: () => CollectorReport | null,
  isOpen: boolean,
): Record<string, Route> {
  const route = (answer: (report: CollectorReport, part: Part) => unknown): Route => ({
    guarded: true,
    byAddress: true,
    page: (query) => {
      if (!isOpen) return line(403, "beyond loopback this is told to who has a token only: set admin.token");
      const report = reportOf();
      if (report === null) return line(503, "it is starting");
      const part = partOf(query);
      if (typeof part === "string") return line(400, part);
      const body = `${JSON.stringify(answer(report, part))}\n`;
      return { status: 200, type: "application/json", body };
    },
  });
  return {
    "/debug/sessions": route(({ tables }, { from, limit }): SessionsPage => {
      const page = view.collector?.liveSessions(from, limit) ?? { sessions: [], next: null };
      return { live: tables.sessions?.used ?? 0, ...page };
    }),
    "/debug/agents": route(({ agents }, { from, limit }): AgentsPage => {
      const end = from + limit;
      return { streams: agents.length, agents: agents.slice(from, end), next: end < agents.length ? end : null };
    }),
    "/debug/totals": route(({ agents: _, ...report }): TotalsPage => {
      const { name, phase } = view;
      return { name, version: VERSION, phase, uptimeMs: Math.round(process.uptime() * 1000), ...report };
    }),
  };
}

/** Which entries of a list are asked for. */
interface Part {
  readonly from: number;
  readonly limit: number;
}

/** The part that a query names, or what is wrong with it. */
function partOf(query: URLSearchParams): Part | string {
  const from = query.get("from") ?? "0";
  const limit = query.get("limit") ?? String(LIMIT);
  const unknown = [...query.keys()].find((name) => name !== "from" && name !== "limit");
  if (unknown !== undefined) return "only from and limit can be asked for: ?from=0&limit=100";
  if (!/^\d{1,9}$/.test(from)) return "from is the number that the page before says as next";
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_PAGE_ENTRIES)
    return `limit is a number from 1 to ${MAX_PAGE_ENTRIES}`;
  return { from: Number(from), limit: Number(limit) };
}

function line(status: Page["status"], text: string): Page {
  return { status, type: "text/plain; charset=utf-8", body: `${text}\n` };
}
