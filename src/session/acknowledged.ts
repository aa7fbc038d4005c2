import { LINE_NUMBERS, SPARE } from "../reassembly/stream-ranges.ts";
import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-table.ts";
import type { PacketVector } from "../vector.ts";
import { DSS, DSS_ACK, DSS_ACK_64 } from "../wire/mptcp.ts";
import { ACK } from "../wire/tcp.ts";
import { plainOffset, streamOffset } from "./data.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** The largest window (RFC 7323 §2.3): an acknowledgment farther ahead is made up. */
export const MAX_ACKNOWLEDGED = 2 ** 30;
const WORD = 2 ** 32;
/**
 * In a stream's line of `Sessions.outOfOrder`: how far its sender has acknowledged the other side's stream; 0 where no
 * acknowledgment was seen. It stands with who acknowledged, because that line is touched anyway.
 */
export const ACKNOWLEDGED = SPARE;

/**
 * Takes what packet i acknowledges of the other side's stream: its data ACK (RFC 8684 §3.3.2), or, once the session is
 * plain TCP, its acknowledgment number. `side` is who sent it.
 */
export function takeAcknowledged(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): void {
  const peer = side === 0 ? 1 : 0;
  const subflow = seen.subflow[i]!;
  if (sessions.hasFallenBack(session, subflow)) {
    const at = flow.SubflowTable.direction(subflow, sessions.higherOf(subflow, peer));
    const ssn = (vector.ack[i]! - sessions.subflows.hot[at + flow.ISN]!) >>> 0;
    if (vector.flags[i]! & ACK) note(sessions, session, peer, plainOffset(sessions, session, peer, subflow, ssn));
    return;
  }
  const { view } = vector;
  const at = vector.mptcpAt[i]!;
  if ((seen.kind[i]! & events.HAS_DSS) === 0 || view.getUint8(at + 2) >> 4 !== DSS) return;
  const bits = view.getUint8(at + 3);
  const isWide = (bits & DSS_ACK_64) !== 0;
  if ((bits & DSS_ACK) === 0 || at + (isWide ? 12 : 8) > vector.optionsEnd[i]!) return;
  const lo = view.getUint32(at + (isWide ? 8 : 4));
  const { near } = sessions.outOfOrder;
  const place = placeOf(session, peer);
  const raw = near[place]!;
  const ahead = (lo - raw) | 0;
  if (raw !== 0 && ahead < MAX_ACKNOWLEDGED) {
    if (ahead > 0) near[place] = raw + ahead;
  } else if (sessions.table.state(session) & (table.S_IDSN << peer)) {
    const form = isWide ? events.DSN_64 : events.DSN_32;
    note(sessions, session, peer, streamOffset(sessions, session, peer, form, isWide ? view.getUint32(at + 4) : 0, lo));
  }
}

/** Moves a stream's acknowledged offset up, unless it is made up. */
function note(sessions: Sessions, session: number, side: number, offset: number): void {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const known = acknowledgedOf(sessions, session, side) ?? 0;
  const expected = Math.max(known, sessions.table.floats[half + (table.HIGHEST >> 1)]!);
  if (offset >= known && offset - expected < MAX_ACKNOWLEDGED) {
    sessions.outOfOrder.near[placeOf(session, side)] = offset + origin(sessions, session, side);
  }
}

/**
 * The offset up to which a side's stream was acknowledged; null where no acknowledgment was seen, or only one before
 * the stream's IDSN was known (the third ACK of a session whose SYN/ACK had lost its option).
 */
export function acknowledgedOf(sessions: Sessions, session: number, side: number): number | null {
  const offset = sessions.outOfOrder.near[placeOf(session, side)]! - origin(sessions, session, side);
  return offset < 0 ? null : offset;
}

/** Where it stands how far a side's stream was acknowledged. */
const placeOf = (session: number, side: number): number => (session * 2 + 1 - side) * LINE_NUMBERS + ACKNOWLEDGED;

/** Offset 0 of a stream at `placeOf`: above 0, and in its low half the data sequence number. */
function origin(sessions: Sessions, session: number, side: number): number {
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS + table.IDSN_LO;
  const shift = side === 0 ? sessions.initiatorShift(session) : 0;
  return 2 * WORD + ((sessions.table.words[at]! + 1) % WORD) - shift;
}
