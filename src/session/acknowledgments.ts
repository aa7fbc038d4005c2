import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-table.ts";
import type { PacketVector } from "../vector.ts";
import { DSS, DSS_ACK, DSS_ACK_64 } from "../wire/mptcp.ts";
import { ACK } from "../wire/tcp.ts";
import { acknowledgedOf, acknowledgedPlace, MAX_ACKNOWLEDGED, noteAcknowledged } from "./acknowledged.ts";
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
    const at = flow.SubflowTable.direction(subflow, sessions.higherOf(subflow, peer));
    const ssn = (vector.ack[i]! - sessions.subflows.hot[at + flow.ISN]!) >>> 0;
    if (vector.flags[i]! & ACK)
      noteAcknowledged(sessions, session, peer, plainOffset(sessions, session, peer, subflow, ssn));
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
  const place = acknowledgedPlace(session, peer);
  const raw = near[place]!;
  const ahead = (lo - raw) | 0;
  if (raw !== 0 && ahead < MAX_ACKNOWLEDGED) {
    if (ahead > 0) near[place] = raw + ahead;
  } else if (sessions.table.state(session) & (table.S_IDSN << peer)) {
    const hi = isWide ? view.getUint32(at + 4) : 0;
    const form = isWide ? events.DSN_64 : events.DSN_32;
    noteAcknowledged(sessions, session, peer, streamOffset(sessions, session, peer, form, hi, lo));
  }
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
  const { view } = vector;
  const at = vector.mptcpAt[i]!;
  if (view.getUint8(at + 2) >> 4 !== DSS) return false;
  const bits = view.getUint8(at + 3);
  const isWide = (bits & DSS_ACK_64) !== 0;
  if ((bits & DSS_ACK) === 0 || at + (isWide ? 12 : 8) > vector.optionsEnd[i]!) return false;
  const hi = isWide ? view.getUint32(at + 4) : 0;
  const form = isWide ? events.DSN_64 : events.DSN_32;
  const offset = streamOffset(sessions, session, peer, form, hi, view.getUint32(at + (isWide ? 8 : 4)));
  const least = (acknowledgedOf(sessions, session, peer) ?? 0) - MAX_ACKNOWLEDGED;
  return offset >= Math.max(least, 0) && offset <= expectedOffset(sessions, session, peer) + MAX_ACKNOWLEDGED;
}
