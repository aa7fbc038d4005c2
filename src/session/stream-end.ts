import { acknowledgedOf } from "./acknowledged.ts";
import { MAX_AHEAD } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Notes where a side states that its stream ends: by a DATA_FIN (RFC 8684 §3.3.3), after a fallback by a FIN. Of several
 * places the newest is kept and the one before it, and none takes that of one that is certain. One beyond any window is
 * refused, as octets there are.
 */
export function noteEnd(sessions: Sessions, session: number, side: number, offset: number): void {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats } = sessions.table;
  if (offset < 0 || offset - floats[half + (table.HIGHEST >> 1)]! > MAX_AHEAD) return;
  const known = floats[half + (table.FIN_OFFSET >> 1)]! - 1;
  if (offset === known) return;
  const isKept = known >= 0 && isCertain(sessions, session, side, known);
  if (known >= 0) sessions.rare.otherEnds.set(session * 2 + side, isKept ? offset : known);
  if (!isKept) floats[half + (table.FIN_OFFSET >> 1)] = offset + 1;
}

/** Whether a side has stated that its stream ends, wherever. */
export function hasStatedEnd(sessions: Sessions, session: number, side: number): boolean {
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS + table.FIN_OFFSET;
  return sessions.table.floats[at >> 1] !== 0;
}

/**
 * The offset at which a side's stream ends; null while it is not known. What a side states anybody can have stated in its
 * name: it is the end once it is certain, or where no acknowledgment of the stream was seen, which alone could tell.
 */
export function streamEnd(sessions: Sessions, session: number, side: number): number | null {
  if (!hasStatedEnd(sessions, session, side)) return null;
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS + table.FIN_OFFSET;
  const newest = sessions.table.floats[at >> 1]! - 1;
  const other = sessions.rare.otherEnds.get(session * 2 + side);
  if (isCertain(sessions, session, side, newest)) return newest;
  if (other !== undefined && isCertain(sessions, session, side, other)) return other;
  return acknowledgedOf(sessions, session, side) === null ? newest : null;
}

/** Whether the end of a side's stream was acknowledged, or no acknowledgment of that stream was seen, which could tell. */
export function isEndAcknowledged(sessions: Sessions, session: number, side: number): boolean {
  const acknowledged = acknowledgedOf(sessions, session, side);
  const end = streamEnd(sessions, session, side);
  return end !== null && (acknowledged === null || acknowledged === end + 1);
}

/** Whether all octets before an end were seen and none beyond, or its receiver acknowledged it and no more. */
function isCertain(sessions: Sessions, session: number, side: number, end: number): boolean {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats } = sessions.table;
  const isWhole = floats[half + (table.CONTIGUOUS >> 1)]! === end && floats[half + (table.HIGHEST >> 1)]! <= end;
  return isWhole || acknowledgedOf(sessions, session, side) === end + 1;
}
