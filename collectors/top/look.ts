import type { SessionSummary } from "../../src/record/session-summary.ts";
import { type AgentsPage, MAX_PAGE_ENTRIES, type SessionsPage, type TotalsPage } from "../central/debug.ts";
import { OperationalError } from "../runtime/errors.ts";

/** What one look at a running collector shows. */
export interface Look {
  readonly totals: TotalsPage;
  readonly agents: AgentsPage;
  readonly sessions: SessionsPage;
  /** Milliseconds of a clock that does not go back. */
  readonly atMs: number;
}

const PATIENCE_MS = 5000;

/** Asks for one path of an admin address, and has what JSON was answered. */
type Ask = (path: string) => Promise<unknown>;

/**
 * Looks at the collector whose admin address is `base`: at 1,000 sessions and agents at most. Rejects with an
 * OperationalError where none answers or `signal` ends the look, it does not tell without a token, or what answers is no
 * collector.
 */
export async function lookAt(
  base: string,
  token: string | null,
  signal: AbortSignal = new AbortController().signal,
): Promise<Look> {
  const ask: Ask = (path) => answer(base, path, token, signal);
  const [totals, agents, sessions] = await Promise.all([
    ask("/debug/totals"),
    ask(`/debug/agents?limit=${MAX_PAGE_ENTRIES}`),
    sessionsOf(ask),
  ]);
  const look = { totals, agents, sessions, atMs: performance.now() };
  if (!isLook(look)) throw noCollector(base);
  return look;
}

/** Pages of sessions as one: of a large table a page may have few, or none. Null where one is no page. */
async function sessionsOf(ask: Ask): Promise<SessionsPage | null> {
  const sessions: SessionSummary[] = [];
  for (let from = 0; ; ) {
    const limit = MAX_PAGE_ENTRIES - sessions.length;
    const page = (await ask(`/debug/sessions?from=${from}&limit=${limit}`)) as Partial<SessionsPage> | null;
    if (!Array.isArray(page?.sessions)) return null;
    const { live = 0, next = null } = page;
    sessions.push(...page.sessions);
    if (next === null || sessions.length >= MAX_PAGE_ENTRIES) return { live, sessions, next };
    if (!(next > from)) return null;
    from = next;
  }
}

async function answer(base: string, path: string, token: string | null, ended: AbortSignal): Promise<unknown> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ended]);
    response = await fetch(new URL(path, base), { headers, signal });
    text = await response.text();
  } catch (cause) {
    const message = `no collector answers at ${base} (${codeOf(cause)}); does it run, with admin.listen?`;
    throw new OperationalError("TOP", message, { retriable: true, cause });
  }
  if (response.status === 401) {
    throw new OperationalError("TOP", `${base} asks for the token of admin.token: --config, or --token-file`);
  }
  if (response.status === 503) throw new OperationalError("TOP", `${base}: ${text.trim()}`, { retriable: true });
  if (response.status === 404) throw noCollector(base);
  if (response.status !== 200) throw new OperationalError("TOP", `${base}: ${text.trim().slice(0, 200)}`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noCollector(base, cause);
  }
}

const noCollector = (base: string, cause?: unknown): OperationalError =>
  new OperationalError("TOP", `what answers at ${base} is no collector of this version`, { cause });

/** Whether the answers have what is shown. Their other parts are of the same program. */
function isLook(look: { readonly [part in keyof Look]: unknown }): look is Look {
  const { totals, agents, sessions } = look as Partial<Look>;
  return (
    typeof totals?.totals?.packetsIn === "number" && Array.isArray(agents?.agents) && Array.isArray(sessions?.sessions)
  );
}

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return `no answer in ${PATIENCE_MS / 1000} s`;
  const reason = cause.cause;
  return reason instanceof Error && "code" in reason ? String(reason.code) : cause.message;
}
