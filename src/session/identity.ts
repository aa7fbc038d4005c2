import { hash } from "node:crypto";
import * as flow from "../subflow/subflow-row.ts";
import { IS_INITIAL } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** Hexadecimal digits of a session id: 96 bits. */
const ID_DIGITS = 24;

/** The subflow that opened the session, or the first one that was seen. */
export function firstSubflow(sessions: Sessions, session: number): number {
  const subflows = sessions.subflowsOf(session);
  return subflows.find((subflow) => sessions.join(subflow) & IS_INITIAL) ?? subflows[0] ?? -1;
}

/**
 * A session's id, the same whoever saw it: made of both initial sequence numbers of the initial subflow and the
 * responder's token, which any one of SYN/ACK, third ACK and first MP_CAPABLE data tells and NAT leaves alone. Without
 * a handshake it is made of what is known instead: the token and listener of a join, or the 4-tuple and the first time.
 */
export function sessionId(sessions: Sessions, session: number): string {
  const subflow = firstSubflow(sessions, session);
  const state = sessions.table.state(session);
  const { hot } = sessions.subflows;
  const parts: (string | number)[] = [];
  if (state & table.S_ORPHAN) {
    parts.push(
      "orphan",
      sessions.tokens.of(session, 1),
      ...sessions.addressWords(subflow, 1),
      sessions.port(subflow, 1),
    );
  } else if (state & table.S_MIDSTREAM) {
    const at = subflow * flow.HOT_WORDS + flow.KEY;
    parts.push("midstream", ...hot.subarray(at, at + 9));
    parts.push(sessions.table.floats[(session * table.SESSION_WORDS + table.SESSION_START) >> 1]!);
  } else {
    parts.push("handshake", sessions.tokens.of(session, 1));
    for (const side of [0, 1]) {
      parts.push(hot[flow.direction(subflow, sessions.higherOf(subflow, side)) + flow.ISN]!);
    }
  }
  return hash("sha256", parts.join(" "), "hex").slice(0, ID_DIGITS);
}
