import * as events from "../subflow/subflow-events.ts";
import type { PacketVector } from "../vector.ts";
import { takeOctets } from "./data.ts";
import { type Dsn, dsnDistance, dsnOf } from "./dsn.ts";
import { MAX_AHEAD, type Placement } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { streamOffset } from "./stream-offset.ts";

/**
 * Streams of sessions whose handshake was not seen: where they began is unknown, so offsets count from the first octet
 * seen, and octets before it are counted and not placed.
 */
export function takePartial(
  placement: Placement,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): void {
  const { sessions } = placement;
  if (seen.kind[i]! & events.DATA && seen.dsnForm[i] === events.DSN_RELATIVE) {
    // Data of a MP_CAPABLE that came late counts from the stream's first octet, and the offsets from another.
    sessions.noteUnplaced(session, side, seen.dataLength[i]!);
    return;
  }
  const dsn = dsnOf(seen, i);
  if (dsn !== null) learnOrigin(sessions, session, side, dsn);
  takeOctets(placement, session, side, vector, seen, i);
}

/**
 * Lets a side's stream begin at a data sequence number. Where it began at one of 32 bits, the first of 64 makes it whole,
 * without moving it.
 */
export function learnOrigin(sessions: Sessions, session: number, side: 0 | 1, dsn: Dsn): void {
  const { words } = sessions.table;
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
  const isKnown = (sessions.table.state(session) & (table.S_IDSN << side)) !== 0;
  if (isKnown && (words[at + table.IDSN_HI] !== 0 || !dsn.isWide)) return;
  const offset = isKnown ? streamOffset(sessions, session, side, events.DSN_32, 0, dsn.lo) : 0;
  const idsn = BigInt.asUintN(64, (BigInt(dsn.hi) << 32n) + BigInt(dsn.lo) - 1n - BigInt(offset));
  words[at + table.IDSN_HI] = dsn.isWide ? Number(idsn >> 32n) : 0;
  words[at + table.IDSN_LO] = Number(idsn & 0xffffffffn);
  sessions.table.set(session, table.S_IDSN << side);
}

/** Whether data of two sessions lie near enough in one side's 64-bit numbering that they are one stream. */
export function shareStream(sessions: Sessions, session: number, lowest: readonly [Dsn | null, Dsn | null]): boolean {
  const { words } = sessions.table;
  return [0, 1].some((side) => {
    const dsn = lowest[side];
    if (dsn == null || !dsn.isWide || (sessions.table.state(session) & (table.S_IDSN << side)) === 0) return false;
    const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
    const idsn = { hi: words[at + table.IDSN_HI]!, lo: words[at + table.IDSN_LO]!, isWide: true };
    const highest = sessions.table.floats[(at + table.HIGHEST) >> 1]!;
    return Math.abs(dsnDistance(dsn, idsn) - highest) <= MAX_AHEAD;
  });
}
