import type { AgentsPage, SessionsPage, TotalsPage } from "../central/debug.ts";
import { OperationalError } from "../runtime/errors.ts";

/** What one look at a running collector shows. */
export interface Look {
  readonly totals: TotalsPage;
  readonly agents: AgentsPage;
  readonly sessions: SessionsPage;
  /** Milliseconds of a clock that does not go back. */
  readonly atMs: number;
}

/** Entries of each page: what the collector gives at most. */
const LIMIT = 1000;
const PATIENCE_MS = 5000;

/**
 * Looks at the collector whose admin address is `base`. Rejects with an OperationalError where none answers, it does not
 * tell without a token, or what answers is no collector.
 */
export async function lookAt(base: string, token: string | null): Promise<Look> {
  const ask = (path: string) => answer(base, path, token);
  const [totals, agents, sessions] = await Promise.all([
    ask("/debug/totals"),
    ask(`/debug/agents?limit=${LIMIT}`),
    ask(`/debug/sessions?limit=${LIMIT}`),
  ]);
  const look = { totals, agents, sessions, atMs: performance.now() };
  if (!isLook(look)) throw noCollector(base);
  return look;
}

async function answer(base: string, path: string, token: string | null): Promise<unknown> {
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, base), { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
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
