import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import { acknowledgedOf } from "./acknowledged.ts";
import * as join from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { streamOffset } from "./stream-offset.ts";

/**
 * Whether a join's listener was never seen, as where the way back takes another path: SYN and third ACK were, and nothing
 * tells whether the HMAC in that is right.
 */
export function isOneDirection(sessions: Sessions, subflow: number): boolean {
  const word = sessions.join(subflow);
  const seen = join.SAW_SYN | join.SAW_ACK;
  if ((word & (seen | join.SAW_SYN_ACK | join.IS_PROVEN)) !== seen) return false;
  const { hot } = sessions.subflows;
  const openerHigher = (hot[subflow * flow.HOT_WORDS + flow.STATE]! & flow.STATE_OPENER_HIGHER) !== 0;
  return hot[flow.direction(subflow, openerHigher ? 0 : 1) + flow.PACKETS] === 0;
}

/**
 * Whether entry 0 of `seen`, which waits, carries octets that the other side acknowledged on a proven subflow, and that
 * none brought: then the listener has them from this one (RFC 8684 §3.3.2). Whoever forges a join could bring about no
 * more than that octets are compared, where the mirror missed nothing.
 */
export function isTaken(sessions: Sessions, session: number, side: 0 | 1, seen: events.SubflowEvents): boolean {
  if ((seen.kind[0]! & events.DATA) === 0 || seen.dsnForm[0] !== events.DSN_64) return false;
  const from = streamOffset(sessions, session, side, events.DSN_64, seen.dsnHi[0]!, seen.dsnLo[0]!);
  const to = from + seen.dataLength[0]!;
  const acknowledged = acknowledgedOf(sessions, session, side);
  return acknowledged !== null && acknowledged >= to && isUnseen(sessions, session, side, from, to);
}

function isUnseen(sessions: Sessions, session: number, side: number, from: number, to: number): boolean {
  const { words, floats } = sessions.table;
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
  if (from < floats[(at + table.CONTIGUOUS) >> 1]!) return false;
  return !sessions.outOfOrder.overlaps(session * 2 + side, words[at + table.OUT_OF_ORDER]!, from, to);
}
