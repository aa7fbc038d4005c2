import { FALLBACK_CAUSES } from "../../schema/session-vocabulary.ts";
import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import { IS_CLOSED, IS_INITIAL, IS_PROVEN } from "./join-state.ts";
import { NO_SUBFLOW } from "./named-subflows.ts";
import { agreedVersion, askedVersion } from "./negotiation.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** An entry of FALLBACK_CAUSES. */
export type FallbackCause = (typeof FALLBACK_CAUSES)[number];

/**
 * Why a session is plain TCP from a segment on that has payload and neither an option nor a mapping (RFC 8684 §3.7), or
 * null where that does not show it. `kind` and `ssn` are of its event.
 */
export function causeOfPlainData(
  sessions: Sessions,
  session: number,
  subflow: number,
  kind: number,
  ssn: number,
): FallbackCause | null {
  const state = sessions.table.state(session);
  if (state & table.S_FALLBACK || (sessions.join(subflow) & IS_INITIAL) === 0) return null;
  if (state & table.S_CONFIRMED) {
    const isPlain = kind & events.BEHIND_MAPPING && isOnly(sessions, session, subflow);
    return isPlain && hasBroughtAll(sessions, session, subflow) ? "data-without-option" : null;
  }
  if (ssn !== 1) return null;
  if ((state & table.S_ANSWERED) === 0) return "unknown";
  const asked = askedVersion(sessions, session);
  // RFC 8684 §3.1: an initiator falls back when it cannot speak the version that the SYN/ACK states.
  return asked !== null && asked !== agreedVersion(sessions, session) ? "version" : "ack-without-option";
}

/** Whether no other subflow of a session is open, for certain: with more than one a host closes the subflow instead. */
function isOnly(sessions: Sessions, session: number, subflow: number): boolean {
  return sessions.subflowsOf(session).every((one) => {
    const word = sessions.join(one);
    return one === subflow || (word & IS_CLOSED) !== 0 || (word & (IS_INITIAL | IS_PROVEN)) === 0;
  });
}

/**
 * Whether no other subflow of a session has brought octets. Else these may have to come again, on the one that is left: what
 * is in flight there is not contiguous, so that nobody goes on with it as plain TCP (RFC 8684 §3.7).
 */
export function hasBroughtAll(sessions: Sessions, session: number, subflow: number): boolean {
  for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
    const isProven = (sessions.join(one) & (IS_INITIAL | IS_PROVEN)) !== 0;
    if (one !== subflow && isProven && (hasSent(sessions, one, 0) || hasSent(sessions, one, 1))) return false;
  }
  return true;
}

/** Whether octets of this direction of a subflow were seen. */
function hasSent({ subflows: { hot } }: Sessions, subflow: number, higher: number): boolean {
  return hot[flow.direction(subflow, higher) + flow.NEXT_SSN]! > 1;
}

/** Whether both sides have said MP_FAIL on a session's only subflow: neither goes on with mappings (RFC 8684 §3.7). */
export function isFailedByBoth(sessions: Sessions, session: number, subflow: number): boolean {
  const fails = sessions.rare.options.get(session)?.fails.filter((one) => one.subflow === subflow) ?? [];
  const isByBoth = fails.some(({ side }) => side === 0) && fails.some(({ side }) => side === 1);
  return isByBoth && isOnly(sessions, session, subflow);
}

/** A fallback that a MP_FAIL announced (RFC 8684 §3.7) has its cause: a checksum, where the session has checksums. */
function announced(sessions: Sessions, session: number, cause: FallbackCause): FallbackCause {
  const isLate = cause === "infinite-mapping" || cause === "data-without-option" || cause === "mp-fail";
  const hasFailed = (sessions.rare.options.get(session)?.fails.length ?? 0) > 0;
  if (!isLate || !hasFailed) return cause;
  const flags = sessions.table.state(session) & (table.S_FLAGS | table.S_CHECKSUM);
  return flags === table.S_FLAGS ? "mp-fail" : "checksum";
}

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
  words[base + table.FALLBACK_CAUSE] = FALLBACK_CAUSES.indexOf(announced(sessions, session, cause)) + 1;
  sessions.table.set(session, table.S_FALLBACK);
  words[base + table.FALLBACK_SUBFLOW] = subflow;
  floats[(base + table.FALLBACK_MICROS) >> 1] = atMicros;
  for (const one of sessions.subflowsOf(session)) sessions.subflows.setPlain(one);
}

/** Why and when a session fell back, or null; on which subflow, null where that is no longer the session's. */
export function fallbackOf(
  sessions: Sessions,
  session: number,
): { cause: FallbackCause; subflow: number | null; atMicros: number } | null {
  const { words, floats } = sessions.table;
  const base = session * table.SESSION_WORDS;
  const cause = FALLBACK_CAUSES[words[base + table.FALLBACK_CAUSE]! - 1];
  if (cause === undefined) return null;
  const named = words[base + table.FALLBACK_SUBFLOW]!;
  const subflow = named === NO_SUBFLOW ? null : named;
  return {
    cause:
      cause === "ack-without-option" && subflow !== null && isAnswerStripped(sessions, subflow)
        ? "syn-ack-without-option" // RFC 8684 §3.1: the initiator never saw that the responder agreed.
        : cause,
    subflow,
    atMicros: floats[(base + table.FALLBACK_MICROS) >> 1]!,
  };
}

/** Whether an initial subflow's SYN/ACK had its option at one agent and had lost it at another, whose copy may be late. */
function isAnswerStripped(sessions: Sessions, subflow: number): boolean {
  const { hot, rewritings } = sessions.subflows;
  const higher = sessions.higherOf(subflow, 1);
  const isn = hot[flow.direction(subflow, higher) + flow.ISN]!;
  const ways = rewritings.of(subflow)?.ways ?? [];
  return ways.some((way) => way.kind === "option-stripped" && way.higher === higher && way.seq === isn);
}
