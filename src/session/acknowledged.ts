import { SPARE } from "../reassembly/stream-ranges.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** The largest window (RFC 7323 §2.3): an acknowledgment farther ahead is made up. */
export const MAX_ACKNOWLEDGED = 2 ** 30;
const WORD = 2 ** 32;
/**
 * In a stream's line of ranges (`rangesAt`): how far its sender has acknowledged the other side's stream; 0 where no
 * acknowledgment was seen. It stands with who acknowledged, because that line is touched anyway.
 */
export const ACKNOWLEDGED = SPARE;

/**
 * The offset up to which a side's stream was acknowledged; null where no acknowledgment was seen, or only one before
 * the stream's IDSN was known (the third ACK of a session whose SYN/ACK had lost its option).
 */
export function acknowledgedOf(sessions: Sessions, session: number, side: number): number | null {
  const offset = sessions.table.floats[acknowledgedPlace(session, side)]! - origin(sessions, session, side);
  return offset < 0 ? null : offset;
}

/** Moves a stream's acknowledged offset up, unless it is made up. */
export function noteAcknowledged(sessions: Sessions, session: number, side: number, offset: number): void {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const known = acknowledgedOf(sessions, session, side) ?? 0;
  const expected = Math.max(known, sessions.table.floats[half + (table.HIGHEST >> 1)]!);
  if (offset >= known && offset - expected < MAX_ACKNOWLEDGED) {
    sessions.table.floats[acknowledgedPlace(session, side)] = offset + origin(sessions, session, side);
  }
}

/** Where it stands in `SessionTable.floats` how far a side's stream was acknowledged, its low half as on the wire. */
export const acknowledgedPlace = (session: number, side: number): number =>
  table.rangesAt(session * 2 + 1 - side) + ACKNOWLEDGED;

/** Offset 0 of a stream at `acknowledgedPlace`: above 0, and in its low half the data sequence number. */
function origin(sessions: Sessions, session: number, side: number): number {
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS + table.IDSN_LO;
  const shift = side === 0 ? sessions.initiatorShift(session) : 0;
  return 2 * WORD + ((sessions.table.words[at]! + 1) % WORD) - shift;
}
