import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { PacketVector } from "../vector.ts";
import { DSS, DSS_ACK, DSS_ACK_64 } from "../wire/mptcp.ts";
import { ACK } from "../wire/tcp.ts";
import { acknowledgedOf, acknowledgedPlace, MAX_ACKNOWLEDGED, noteAcknowledged } from "./acknowledged.ts";
import { hasBroughtAll } from "./fallback.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { expectedOffset, plainOffset, streamOffset } from "./stream-offset.ts";

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
    const offset = plainAckOffset(sessions, session, peer, vector, subflow, i);
    if (isInStep(sessions, session, peer, subflow)) noteAcknowledged(sessions, session, peer, offset);
    return;
  }
  const at = (seen.kind[i]! & events.HAS_DSS) === 0 ? 0 : dataAckAt(vector, i);
  if (at === 0) return;
  const { near } = sessions.outOfOrder;
  const place = acknowledgedPlace(session, peer);
  const raw = near[place]!;
  const ahead = (vector.view.getUint32(at) - raw) | 0;
  if (raw !== 0 && ahead < MAX_ACKNOWLEDGED) {
    if (ahead > 0) near[place] = raw + ahead;
  } else if (sessions.table.state(session) & (table.S_IDSN << peer)) {
    noteAcknowledged(sessions, session, peer, dataAckOffset(sessions, session, peer, vector, i, at));
  }
}

/**
 * Whether all octets of a side's stream that are not acknowledged come on this subflow, so that its acknowledgment numbers
 * speak of the stream: no other has brought any, or an infinite mapping says so (RFC 8684 §3.7), or they are those of
 * the newest mapping. Else a side that has not left MPTCP yet may have to send again what another subflow lost.
 */
function isInStep(sessions: Sessions, session: number, side: 0 | 1, subflow: number): boolean {
  const { hot } = sessions.subflows;
  const at = flow.direction(subflow, sessions.higherOf(subflow, side));
  if ((hot[at + flow.MAPPING_LENGTH]! & flow.INFINITE) === flow.INFINITE) return true;
  if (hasBroughtAll(sessions, session, subflow)) return true;
  const begin = plainOffset(sessions, session, side, subflow, hot[at + flow.MAPPING_SSN]!);
  return begin <= (acknowledgedOf(sessions, session, side) ?? 0);
}

/** Whether packet i, from `side`, has a data ACK that lies within a window of where the other side's stream may be. */
export function isAcknowledgingNear(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  i: number,
): boolean {
  const peer = side === 0 ? 1 : 0;
  const at = dataAckAt(vector, i);
  if (at === 0) return false;
  const offset = dataAckOffset(sessions, session, peer, vector, i, at);
  const least = (acknowledgedOf(sessions, session, peer) ?? 0) - MAX_ACKNOWLEDGED;
  return offset >= Math.max(least, 0) && offset <= expectedOffset(sessions, session, peer) + MAX_ACKNOWLEDGED;
}

/**
 * Up to which offset packet i, from `side`, acknowledges the other side's stream, as `takeAcknowledged` takes it; 0 where it does
 * not. The known one may be that of a packet that was sent later, and came before it.
 */
export function acknowledgedWith(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): number {
  const peer = side === 0 ? 1 : 0;
  const subflow = seen.subflow[i]!;
  const known = acknowledgedOf(sessions, session, peer) ?? 0;
  if (sessions.hasFallenBack(session, subflow)) {
    const offset = plainAckOffset(sessions, session, peer, vector, subflow, i);
    return offset > 0 ? Math.min(offset, known) : 0;
  }
  const at = (seen.kind[i]! & events.HAS_DSS) === 0 ? 0 : dataAckAt(vector, i);
  if (at === 0) return 0;
  // Its low half is as on the wire.
  const before = (sessions.outOfOrder.near[acknowledgedPlace(session, peer)]! - vector.view.getUint32(at)) | 0;
  return Math.max(0, known - Math.max(0, before));
}

/**
 * What the acknowledgment number of packet i, of a session that is plain TCP, acknowledges, as an offset in the stream of `side`;
 * NaN where it has none, as octets that were held have not, or nobody knows.
 */
function plainAckOffset(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  subflow: number,
  i: number,
): number {
  if ((vector.flags[i]! & ACK) === 0) return Number.NaN;
  const at = flow.direction(subflow, sessions.higherOf(subflow, side));
  const ssn = (vector.ack[i]! - sessions.subflows.hot[at + flow.ISN]!) >>> 0;
  return plainOffset(sessions, session, side, subflow, ssn);
}

/** Where the low 32 bits of the data ACK of packet i, which has a MPTCP option, stand in the block; 0 when it has none. */
function dataAckAt({ view, mptcpAt, optionsEnd }: PacketVector, i: number): number {
  const option = mptcpAt[i]!;
  const bits = view.getUint16(option + 2);
  const at = option + (bits & DSS_ACK_64 ? 8 : 4);
  return bits >>> 12 === DSS && bits & DSS_ACK && at + 4 <= optionsEnd[i]! ? at : 0;
}

/** What the data ACK of packet i whose low 32 bits stand at `at` acknowledges, as an offset in the stream of `side`. */
function dataAckOffset(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  { view, mptcpAt }: PacketVector,
  i: number,
  at: number,
): number {
  const isWide = at !== mptcpAt[i]! + 4;
  const form = isWide ? events.DSN_64 : events.DSN_32;
  return streamOffset(sessions, session, side, form, isWide ? view.getUint32(at - 4) : 0, view.getUint32(at));
}
