import * as events from "../subflow/subflow-events.ts";
import type { PacketVector } from "../vector.ts";
import { acknowledgedWith } from "./acknowledgments.ts";
import type { Placement } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { hasStatedEnd, noteEnd } from "./stream-end.ts";
import { plainOffset, streamOffset } from "./stream-offset.ts";
import { takeWindowProbe } from "./window-probes.ts";

/**
 * Notes where a FIN lies on its subflow, before which `ssn` octets do: it ends the stream if the session turns out to be
 * plain TCP. Mostly a DATA_FIN has come before it.
 */
function noteFin(sessions: Sessions, session: number, side: number, subflow: number, ssn: number): void {
  if (!hasStatedEnd(sessions, session, side))
    sessions.rare.fins.set(subflow * 2 + sessions.higherOf(subflow, side), ssn);
}

/** A session goes on as plain TCP on this subflow (RFC 8684 §3.7): FINs that came before that showed end its streams. */
export function takeEarlyFins(sessions: Sessions, session: number, subflow: number): void {
  for (const side of [0, 1] as const) {
    const ssn = sessions.rare.fins.get(subflow * 2 + sessions.higherOf(subflow, side));
    if (ssn === undefined || (side === 0 && sessions.isShiftUnknown(session))) continue;
    const offset = plainOffset(sessions, session, side, subflow, ssn);
    if (!Number.isNaN(offset)) noteEnd(sessions, session, side, offset);
  }
}

/**
 * Takes a segment's octets into their stream, and the stream's end: by their mapping, or, once the session is plain TCP,
 * by their place on the subflow that it goes on with.
 */
export function takeOctets(
  placement: Placement,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): void {
  const { sessions } = placement;
  const subflow = seen.subflow[i]!;
  placement.acknowledged = sessions.octets.turns ? acknowledgedWith(sessions, session, side, vector, seen, i) : 0;
  if (seen.kind[i]! & events.CLOSED) noteFin(sessions, session, side, subflow, seen.ssn[i]! + vector.payloadLength[i]!);
  if (side === 0 && sessions.isShiftUnknown(session)) {
    sessions.rare.fastOpens.noteEarlyData(session);
    sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    return;
  }
  if (!sessions.hasFallenBack(session, subflow)) {
    const isStray = seen.kind[i]! & events.UNMAPPED_DATA && sessions.table.state(session) & table.S_FALLBACK;
    if (isStray || sessions.isPlain(session)) {
      seen.kind[i]! |= events.TAKEN_PLAIN;
      sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    } else takeMapped(placement, session, side, vector, seen, i);
    return;
  }
  const length = vector.payloadLength[i]!;
  // A DATA_FIN without payload is mapped as well: of a side that has not noticed the fallback.
  const isMapped = seen.kind[i]! & events.DATA ? seen.dataLength[i] === length : length === 0;
  if (isMapped && !sessions.isPlain(session)) takeMapped(placement, session, side, vector, seen, i);
  else if (length > 0) takePlain(placement, session, side, vector, seen, i);
  if (seen.kind[i]! & events.CLOSED) {
    const offset = plainOffset(sessions, session, side, subflow, seen.ssn[i]!);
    if (!Number.isNaN(offset)) noteEnd(sessions, session, side, offset + length);
  }
}

/** Takes a segment of a session that is plain TCP. */
function takePlain(
  placement: Placement,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): void {
  const { sessions } = placement;
  const offset = plainOffset(sessions, session, side, seen.subflow[i]!, seen.ssn[i]!);
  const length = vector.payloadLength[i]!;
  seen.kind[i]! |= events.TAKEN_PLAIN;
  if (Number.isNaN(offset)) {
    sessions.noteUnplaced(session, side, length);
    return;
  }
  const captured = vector.payloadCaptured[i]!;
  placement.place(
    session,
    side,
    offset,
    length,
    captured,
    vector.block,
    vector.payloadAt[i]!,
    seen.subflow[i]!,
    vector.agent[i]!,
    vector.atMicros[i]!,
  );
}

/** Takes mapped data and a DATA_FIN into their stream; before its IDSN is known they cannot be placed. */
function takeMapped(
  placement: Placement,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): void {
  const { sessions } = placement;
  const kind = seen.kind[i]!;
  const isPlaceable = (sessions.table.state(session) & (table.S_IDSN << side)) !== 0;
  if (kind & events.DATA) {
    const form = seen.dsnForm[i]!;
    const length = seen.dataLength[i]!;
    if (isPlaceable || form === events.DSN_RELATIVE) {
      const offset = streamOffset(sessions, session, side, form, seen.dsnHi[i]!, seen.dsnLo[i]!);
      const captured = seen.dataCaptured[i]!;
      const isProbe =
        length === 1 && !placement.areCopies && takeWindowProbe(sessions, session, side, offset, vector, seen, i);
      if (!isProbe) {
        placement.place(
          session,
          side,
          offset,
          length,
          captured,
          vector.block,
          seen.dataAt[i]!,
          seen.subflow[i]!,
          vector.agent[i]!,
          vector.atMicros[i]!,
        );
      }
    } else sessions.noteUnplaced(session, side, length);
  }
  if (kind & events.DATA_FIN && isPlaceable) {
    const offset = streamOffset(sessions, session, side, seen.finForm[i]!, seen.finHi[i]!, seen.finLo[i]!);
    noteEnd(sessions, session, side, offset);
  }
}
