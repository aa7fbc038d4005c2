import { type FallbackCause, fallbackOf } from "../session/fallback.ts";
import { firstSubflow } from "../session/identity.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { type Copiers, evidenceOf } from "./session-record.ts";
import { missingOctets } from "./stream-record.ts";
import { endpointRecord } from "./subflow-record.ts";
import { timeText } from "./time-text.ts";

/**
 * A live session in few words, for people who look at a running collector: ends and counts. No key, token, nonce, HMAC or
 * octet of it.
 */
export interface SessionSummary {
  readonly id: string;
  /** `half-open`: asked for and not answered yet; else what was seen of its handshake. */
  readonly evidence: "half-open" | ReturnType<typeof evidenceOf>;
  /** RFC 3339, packet time of its first and of its newest packet. */
  readonly start: string;
  readonly last: string;
  readonly version: 0 | 1 | null;
  readonly fallback: FallbackCause | null;
  /** Ends of its first subflow. */
  readonly initiator: { readonly ip: string; readonly port: number };
  readonly responder: { readonly ip: string; readonly port: number };
  /** All that it has had, and those that are not closed. */
  readonly subflows: { readonly all: number; readonly open: number };
  /** Data-level octets of each side, each counted once, and those of both that no copy brought so far. */
  readonly octets: { readonly initiator: number; readonly responder: number; readonly missing: number };
  /** Names of those who copied it. */
  readonly agents: readonly string[];
}

/** What is known of a live session by now. */
export function sessionSummary(sessions: Sessions, session: number, id: string, agents: Copiers): SessionSummary {
  const { words, floats } = sessions.table;
  const base = session * table.SESSION_WORDS;
  const state = sessions.table.state(session);
  const first = firstSubflow(sessions, session);
  const end = (side: 0 | 1) => {
    const { ip, port } = endpointRecord(sessions, first, side);
    return { ip, port };
  };
  const octets = (side: 0 | 1) => floats[(base + table.SIDE + side * table.SIDE_WORDS + table.OCTETS) >> 1]!;
  const copiers = new Set(sessions.subflowsOf(session).flatMap((one) => sessions.subflows.agents.of(one)));
  return {
    id,
    evidence: state & table.S_ESTABLISHED ? evidenceOf(state) : "half-open",
    start: timeText(floats[(base + table.SESSION_START) >> 1]!),
    last: timeText(sessions.lastMicros(session)),
    version: sessions.table.version(session),
    fallback: fallbackOf(sessions, session)?.cause ?? null,
    initiator: end(0),
    responder: end(1),
    subflows: { all: words[base + table.SUBFLOWS]!, open: words[base + table.OPEN_SUBFLOWS]! },
    octets: {
      initiator: octets(0),
      responder: octets(1),
      missing: missingOctets(sessions, session, 0) + missingOctets(sessions, session, 1),
    },
    agents: [...new Set([...copiers].map((agent) => agents.name(agent)))].sort(),
  };
}
