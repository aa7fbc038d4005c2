import { FALLBACK_CAUSES } from "../../schema/session-vocabulary.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** An entry of FALLBACK_CAUSES. */
export type FallbackCause = (typeof FALLBACK_CAUSES)[number];

/** Notes that a session is plain TCP from now on (RFC 8684 §3.7). The first cause stays. */
export function fallBack(
  sessions: Sessions,
  session: number,
  subflow: number,
  cause: FallbackCause,
  atMicros: number,
): void {
  const { words, floats } = sessions.table;
  const base = session * table.SESSION_WORDS;
  if (words[base + table.FALLBACK_CAUSE] !== 0) return;
  words[base + table.FALLBACK_CAUSE] = FALLBACK_CAUSES.indexOf(cause) + 1;
  sessions.table.set(session, table.S_FALLBACK);
  words[base + table.FALLBACK_SUBFLOW] = subflow;
  floats[(base + table.FALLBACK_MICROS) >> 1] = atMicros;
  for (const one of sessions.subflowsOf(session)) sessions.subflows.setPlain(one);
}

/** Why and when a session fell back, or null. */
export function fallbackOf(
  sessions: Sessions,
  session: number,
): { cause: FallbackCause; subflow: number; atMicros: number } | null {
  const { words, floats } = sessions.table;
  const base = session * table.SESSION_WORDS;
  const cause = FALLBACK_CAUSES[words[base + table.FALLBACK_CAUSE]! - 1];
  if (cause === undefined) return null;
  return {
    cause,
    subflow: words[base + table.FALLBACK_SUBFLOW]!,
    atMicros: floats[(base + table.FALLBACK_MICROS) >> 1]!,
  };
}
