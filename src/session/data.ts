import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-table.ts";
import type { PacketVector } from "../vector.ts";
import { IS_INITIAL } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Octets that may lie between the highest one seen and a new one: four times what any window allows (RFC 8684 §3.3.5),
 * so that a gap in the mirror is a hole, and a number made up by somebody is refused.
 */
export const MAX_AHEAD = 2 ** 32;

/** Cut segments whose places a record lists: where every segment is cut, the list would tell nothing. */
const LISTED_CUTS = 8;

/** Takes octets of a stream the first time they are seen; `length` octets of `block` from `at`. Valid during the call. */
export type NewOctets = (
  session: number,
  side: 0 | 1,
  offset: number,
  block: Uint8Array,
  at: number,
  length: number,
) => void;

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
function plainOffset(sessions: Sessions, session: number, side: number, subflow: number, ssn: number): number {
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
 * Puts a piece of payload into its stream: `length` octets from `offset`, of which the copy holds the first `captured`.
 * What was not there before is given to `isNew`; the first copy wins (docs/architecture.md).
 */
export function placeOctets(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  offset: number,
  length: number,
  captured: number,
  block: Uint8Array,
  at: number,
  isNew: NewOctets | null,
): void {
  const { words, floats } = sessions.table;
  const base = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
  const half = base >> 1;
  const contiguous = floats[half + (table.CONTIGUOUS >> 1)]!;
  const end = offset + length;
  const highest = floats[half + (table.HIGHEST >> 1)]!;
  if (end - highest > MAX_AHEAD) {
    sessions.noteUnplaced(session, side, length);
    return;
  }
  if (end <= contiguous || end <= 0) return;
  if (offset <= contiguous && words[base + table.OUT_OF_ORDER] === 0) {
    takeNew(sessions, session, side, contiguous, end, offset + captured, block, at - offset, isNew);
    floats[half + (table.CONTIGUOUS >> 1)] = end;
    if (end > highest) floats[half + (table.HIGHEST >> 1)] = end;
    return;
  }

  const stream = session * 2 + side;
  const { outOfOrder } = sessions;
  const ranges = outOfOrder.add(stream, words[base + table.OUT_OF_ORDER]!, Math.max(offset, contiguous), end);
  if (ranges < 0) {
    words[session * table.SESSION_WORDS + table.REFUSED_RANGES + side]!++;
    sessions.noteUnplaced(session, side, end - offset);
    return;
  }
  if (end > highest) floats[half + (table.HIGHEST >> 1)] = end;
  for (let piece = 0; piece < outOfOrder.pieceCount; piece++) {
    const from = outOfOrder.pieces[piece * 2]!;
    takeNew(
      sessions,
      session,
      side,
      from,
      outOfOrder.pieces[piece * 2 + 1]!,
      offset + captured,
      block,
      at - offset,
      isNew,
    );
  }
  words[base + table.OUT_OF_ORDER] = outOfOrder.advance(stream, ranges, contiguous);
  floats[half + (table.CONTIGUOUS >> 1)] = outOfOrder.reached;
}

/** Counts and hands on [from, to), which is new. The copy holds octets up to `capturedEnd`; offset 0 would lie at `zeroAt`. */
function takeNew(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  from: number,
  to: number,
  capturedEnd: number,
  block: Uint8Array,
  zeroAt: number,
  isNew: NewOctets | null,
): void {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const floats = sessions.table.floats;
  floats[half + (table.OCTETS >> 1)]! += to - from;
  const present = Math.min(to, capturedEnd);
  if (isNew !== null && present > from) isNew(session, side, from, block, zeroAt + from, present - from);
  if (present >= to) return;
  const cutFrom = Math.max(from, present);
  floats[half + (table.CUT >> 1)]! += to - cutFrom;
  const firstCut = floats[half + (table.FIRST_CUT >> 1)]!;
  if (firstCut === 0 || cutFrom < firstCut - 1) floats[half + (table.FIRST_CUT >> 1)] = cutFrom + 1;
  const { words } = sessions.table;
  const path = half * 2 + table.PATH;
  if (words[path]! & table.ALL_CUTS_LISTED) return;
  const at = session * table.SESSION_WORDS + table.CUT_RANGES + side;
  const listed = words[at]!;
  const ranges = sessions.cuts.add(session * 2 + side, listed & 0xff, cutFrom, to);
  words[at] = ((listed & ~0xff) + 0x100) | (ranges < 0 ? listed & 0xff : ranges);
  if (words[at]! >>> 8 === LISTED_CUTS) words[path]! |= table.ALL_CUTS_LISTED;
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
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
  isNew: NewOctets | null,
): void {
  const subflow = seen.subflow[i]!;
  if (side === 0 && sessions.isShiftUnknown(session)) {
    sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    return;
  }
  if (!sessions.hasFallenBack(session, subflow)) {
    if (sessions.isPlain(session)) sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    else takeMapped(sessions, session, side, vector, seen, i, isNew);
    return;
  }
  const length = vector.payloadLength[i]!;
  const isMapped = (seen.kind[i]! & events.DATA) !== 0 && seen.dataLength[i] === length;
  if (isMapped && !sessions.isPlain(session)) takeMapped(sessions, session, side, vector, seen, i, isNew);
  else if (length > 0) takePlain(sessions, session, side, vector, seen, i, isNew);
  if (seen.kind[i]! & events.CLOSED) {
    const offset = plainOffset(sessions, session, side, subflow, seen.ssn[i]!);
    if (!Number.isNaN(offset)) takeFin(sessions, session, side, offset + length);
  }
}

/** Takes a segment of a session that is plain TCP. */
function takePlain(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
  isNew: NewOctets | null,
): void {
  const offset = plainOffset(sessions, session, side, seen.subflow[i]!, seen.ssn[i]!);
  const length = vector.payloadLength[i]!;
  if (Number.isNaN(offset)) {
    sessions.noteUnplaced(session, side, length);
    return;
  }
  const captured = vector.payloadCaptured[i]!;
  placeOctets(sessions, session, side, offset, length, captured, vector.block, vector.payloadAt[i]!, isNew);
}

/** Takes mapped data and a DATA_FIN into their stream; before its IDSN is known they cannot be placed. */
function takeMapped(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
  isNew: NewOctets | null,
): void {
  const kind = seen.kind[i]!;
  const isPlaceable = (sessions.table.state(session) & (table.S_IDSN << side)) !== 0;
  if (kind & events.DATA) {
    const form = seen.dsnForm[i]!;
    const length = seen.dataLength[i]!;
    if (isPlaceable || form === events.DSN_RELATIVE) {
      const offset = streamOffset(sessions, session, side, form, seen.dsnHi[i]!, seen.dsnLo[i]!);
      placeOctets(sessions, session, side, offset, length, seen.dataCaptured[i]!, vector.block, seen.dataAt[i]!, isNew);
    } else sessions.noteUnplaced(session, side, length);
  }
  if (kind & events.DATA_FIN && isPlaceable) {
    const offset = streamOffset(sessions, session, side, seen.finForm[i]!, seen.finHi[i]!, seen.finLo[i]!);
    takeFin(sessions, session, side, offset);
  }
}
