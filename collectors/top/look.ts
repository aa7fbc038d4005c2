import type { SessionSummary } from "../../src/record/session-summary.ts";
import { type AgentsPage, MAX_PAGE_ENTRIES, type SessionsPage, type TotalsPage } from "../central/debug.ts";
import { OperationalError } from "../runtime/errors.ts";
import { grouped } from "../terminal/text.ts";
import { shownAgents, shownSessions, shownTotals } from "./shown.ts";

/** What one look at a running collector shows. */
export interface Look {
  readonly totals: TotalsPage;
  readonly agents: AgentsPage;
  readonly sessions: SessionsPage;
  /** Milliseconds of a clock that does not go back. */
  readonly atMs: number;
}

/** Time for all answers of a look to come in whole. */
const PATIENCE_MS = 5000;
/** Octets of all of them: who answers need not be a collector. */
const MAX_OCTETS = 2 ** 24;

/** Asks for one path of an admin address, and has what JSON was answered. */
type Ask = (path: string) => Promise<unknown>;

/**
 * Looks at the collector whose admin address is `base`: at 1,000 sessions and agents at most. Rejects with an
 * OperationalError where none answers or `signal` ends the look, it does not tell without a token or with this one, or what
 * answers is no collector.
 */
export async function lookAt(
  base: string,
  token: string | null,
  signal: AbortSignal = new AbortController().signal,
): Promise<Look> {
  // AbortSignal.any holds its sources weakly in Node 20: a timeout of its own would be collected, and never come.
  const over = new AbortController();
  const end = () => over.abort();
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  const late = setTimeout(() => over.abort(new DOMException("late", "TimeoutError")), PATIENCE_MS);
  const limits = { signal: over.signal, octets: MAX_OCTETS };
  const ask: Ask = (path) => answer(base, path, token, limits);
  const asked = [ask("/debug/totals"), ask(`/debug/agents?limit=${MAX_PAGE_ENTRIES}`), sessionsOf(ask)] as const;
  // Where one fails, nobody waits for the others.
  const [totals, agents, sessions] = await Promise.all(asked).finally(() => {
    clearTimeout(late);
    signal.removeEventListener("abort", end);
    end();
  });
  const look = { totals, agents, sessions, atMs: performance.now() };
  if (!isLook(look)) throw noCollector(base);
  return look;
}

/** Pages of sessions as one: of a large table a page may have few, or none. Null where one is no page. */
async function sessionsOf(ask: Ask): Promise<SessionsPage | null> {
  const sessions: SessionSummary[] = [];
  for (let from = 0; ; ) {
    const limit = MAX_PAGE_ENTRIES - sessions.length;
    const page = await ask(`/debug/sessions?from=${from}&limit=${limit}`);
    if (!isSessionsPage(page)) return null;
    const { live, next } = page;
    sessions.push(...page.sessions);
    if (next === null || sessions.length >= MAX_PAGE_ENTRIES) return { live, sessions, next };
    if (!(next > from)) return null;
    from = next;
  }
}

/** What a look may take: octets are those that may still come. */
interface Limits {
  readonly signal: AbortSignal;
  octets: number;
}

async function answer(base: string, path: string, token: string | null, limits: Limits): Promise<unknown> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, base), { headers, signal: limits.signal });
    text = await textOf(response, limits);
  } catch (cause) {
    const message = `no collector answers at ${base} (${codeOf(cause)}); does it run, with admin.listen?`;
    throw new OperationalError("TOP", message, { retriable: true, cause });
  }
  if (response.status === 401) {
    const asks =
      token === null ? "asks for the token of admin.token" : "refuses this token, and asks for that of admin.token";
    throw new OperationalError("TOP", `${base} ${asks}: --config, or --token-file`);
  }
  if (response.status === 503)
    throw new OperationalError("TOP", `${base}: ${text.trim().slice(0, 200)}`, { retriable: true });
  if (response.status === 404) throw noCollector(base);
  if (response.status !== 200) throw new OperationalError("TOP", `${base}: ${text.trim().slice(0, 200)}`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noCollector(base, cause);
  }
}

async function textOf({ body }: Response, limits: Limits): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    limits.octets -= chunk.length;
    if (limits.octets < 0) throw new Error(`more than ${grouped(MAX_OCTETS)} octets`);
  }
  return Buffer.concat(chunks).toString();
}

const noCollector = (base: string, cause?: unknown): OperationalError =>
  new OperationalError("TOP", `what answers at ${base} is no collector of this version`, { cause });

/** Whether the answers have what is shown. Their other parts are of the same program. */
function isLook(look: { readonly [part in keyof Look]: unknown }): look is Look {
  return (
    shownTotals.safeParse(look.totals).success && shownAgents.safeParse(look.agents).success && look.sessions !== null
  );
}

const isSessionsPage = (page: unknown): page is SessionsPage => shownSessions.safeParse(page).success;

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return `no whole answer in ${PATIENCE_MS / 1000} s`;
  // What fetch throws says only that it failed; why is in its cause, with a code where the system said so.
  const reason = cause.cause instanceof Error ? cause.cause : cause;
  return "code" in reason ? String(reason.code) : reason.message;
}
