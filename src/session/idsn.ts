import * as events from "../subflow/subflow-events.ts";
import { IS_INITIAL, IS_PROVEN } from "./join-state.ts";
import { MAX_AHEAD } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { streamOffset } from "./stream-offset.ts";
import { IDSN, noteVerdict } from "./verdicts.ts";

/**
 * Holds the first data sequence number that a side's DSS states on a subflow against what its key says (RFC 8684 §3.1).
 * The octet at relative subflow sequence 1 of the initial subflow is the one after IDSN, so there it is right or wrong.
 * Further on, and on joins, a number that is the expected one, or 64 bits that fall near it, cannot be so by chance; what
 * is wrong is not known there. `payloadAt` is where the segment's payload begins.
 */
export function checkIdsn(
  sessions: Sessions,
  session: number,
  subflow: number,
  side: 0 | 1,
  seen: events.SubflowEvents,
  i: number,
  payloadAt: number,
): void {
  const word = sessions.join(subflow);
  if ((sessions.table.state(session) & (table.S_KEY << side)) === 0 || (word & (IS_INITIAL | IS_PROVEN)) === 0) return;
  const hasData = (seen.kind[i]! & events.DATA) !== 0;
  if (!hasData && (seen.kind[i]! & events.DATA_FIN) === 0) return;
  const form = hasData ? seen.dsnForm[i]! : seen.finForm[i]!;
  const hi = hasData ? seen.dsnHi[i]! : seen.finHi[i]!;
  const lo = hasData ? seen.dsnLo[i]! : seen.finLo[i]!;
  const first = side === 0 ? sessions.initiatorShift(session) : 0;
  const offset = streamOffset(sessions, session, side, form, hi, lo) - first;
  const ssn = seen.ssn[i]! + seen.dataAt[i]! - payloadAt;
  if (hasData && word & IS_INITIAL && ssn === 1) {
    noteVerdict(sessions, session, IDSN, side, offset === 0);
    return;
  }
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const expected = hasData ? ssn - 1 : sessions.table.floats[half + (table.CONTIGUOUS >> 1)]! - first;
  const isNear = form === events.DSN_64 && offset >= 0 && offset <= MAX_AHEAD;
  if (offset === expected || isNear) noteVerdict(sessions, session, IDSN, side, true);
}
