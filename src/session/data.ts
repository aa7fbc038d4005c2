import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-table.ts";
import type { PacketVector } from "../vector.ts";
import { IS_INITIAL } from "./join-state.ts";
import { MAX_AHEAD, type Placement } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * The offset in its stream of a data sequence number of one of the three forms of src/subflow/subflow-events.ts. What the
 * initiator's SYN carried lies before IDSN + 1 (src/session/fast-open.ts).
 */
export function streamOffset(
  sessions: Sessions,
  session: number,
  side: number,
  form: number,
  dsnHi: number,
  dsnLo: number,
): number {
  const { words, floats } = sessions.table;
  const base = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
  const shift = side === 0 ? sessions.initiatorShift(session) : 0;
  if (form === events.DSN_RELATIVE) return shift + dsnLo - 1;
  const idsnLo = words[base + table.IDSN_LO]!;
  if (form === events.DSN_64) {
    // Exact below 2^53, wrap of the 64 bits included.
    return shift + ((dsnHi - words[base + table.IDSN_HI]!) | 0) * 0x100000000 + (dsnLo - idsnLo) - 1;
  }
  // RFC 8684 §3.3.1: the low half of a DSN is meant to be the nearest one to what is expected.
  const highest = floats[(base + table.HIGHEST) >> 1]!;
  return highest + ((shift + dsnLo - ((idsnLo + 1 + highest) % 0x100000000)) | 0);
}

/**
 * The offset of a relative subflow sequence number of a session that is plain TCP (RFC 8684 §3.7): from then on stream and
 * subflow go in step, as they did in the direction's newest mapping. Without one the stream began with the subflow; NaN
 * where it began on another subflow.
 */
export function plainOffset(sessions: Sessions, session: number, side: number, subflow: number, ssn: number): number {
  const { hot } = sessions.subflows;
  const higher = sessions.higherOf(subflow, side);
  const at = flow.SubflowTable.direction(subflow, higher);
  const state = hot[subflow * flow.HOT_WORDS + flow.STATE]!;
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const highest = sessions.table.floats[half + (table.HIGHEST >> 1)]!;
  let ahead = side === 0 ? sessions.initiatorShift(session) - 1 : -1;
  if (!sessions.isPlain(session) && hot[at + flow.MAPPING_LENGTH] !== 0) {
    const form =
      state & (flow.STATE_DSN_RELATIVE << higher)
        ? events.DSN_RELATIVE
        : state & (flow.STATE_DSN_64 << higher)
          ? events.DSN_64
          : events.DSN_32;
    const begin = streamOffset(
      sessions,
      session,
      side,
      form,
      hot[at + flow.MAPPING_DSN_HI]!,
      hot[at + flow.MAPPING_DSN_LO]!,
    );
    ahead = begin - hot[at + flow.MAPPING_SSN]!;
  } else if ((sessions.join(subflow) & IS_INITIAL) === 0) return Number.NaN;
  // Of its 2^32 places, the nearest to what is expected.
  return highest + ((ssn + ahead - highest) | 0);
}

/**
 * Notes the offset of a DATA_FIN (after a fallback: of the FIN): the stream's length. The first one wins; one beyond any
 * window is refused, as octets there are.
 */
function takeFin(sessions: Sessions, session: number, side: number, offset: number): void {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats } = sessions.table;
  const at = half + (table.FIN_OFFSET >> 1);
  if (floats[at] !== 0 || offset < 0 || offset - floats[half + (table.HIGHEST >> 1)]! > MAX_AHEAD) return;
  floats[at] = offset + 1;
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
  if (side === 0 && sessions.isShiftUnknown(session)) {
    sessions.fastOpens.noteEarlyData(session);
    sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    return;
  }
  if (!sessions.hasFallenBack(session, subflow)) {
    if (sessions.isPlain(session)) sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    else takeMapped(placement, session, side, vector, seen, i);
    return;
  }
  const length = vector.payloadLength[i]!;
  // A DATA_FIN without payload is mapped as well: of a side that has not noticed the fallback.
  const isMapped = seen.kind[i]! & events.DATA ? seen.dataLength[i] === length : length === 0;
  if (isMapped && !sessions.isPlain(session)) takeMapped(placement, session, side, vector, seen, i);
  else if (length > 0) takePlain(placement, session, side, vector, seen, i);
  if (seen.kind[i]! & events.CLOSED) {
    const offset = plainOffset(sessions, session, side, subflow, seen.ssn[i]!);
    if (!Number.isNaN(offset)) takeFin(sessions, session, side, offset + length);
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
      );
    } else sessions.noteUnplaced(session, side, length);
  }
  if (kind & events.DATA_FIN && isPlaceable) {
    const offset = streamOffset(sessions, session, side, seen.finForm[i]!, seen.finHi[i]!, seen.finLo[i]!);
    takeFin(sessions, session, side, offset);
  }
}
