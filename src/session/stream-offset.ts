import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import { acknowledgedOf, MAX_ACKNOWLEDGED } from "./acknowledged.ts";
import { IS_INITIAL } from "./join-state.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/**
 * Where a stream is expected to go on, against which numbers of 32 bits are extended: behind the highest octet seen, but
 * no farther than a window beyond what was acknowledged, or beyond as many octets as were seen. One segment that states
 * 64 bits can move the highest octet by 2^32, but neither of the others by half of that; several segments can.
 */
export function expectedOffset(sessions: Sessions, session: number, side: number): number {
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const { floats } = sessions.table;
  const reached = Math.max(floats[half + (table.OCTETS >> 1)]!, acknowledgedOf(sessions, session, side) ?? 0);
  return Math.min(floats[half + (table.HIGHEST >> 1)]!, reached + MAX_ACKNOWLEDGED);
}

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
  const { words } = sessions.table;
  const base = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
  const shift = side === 0 ? sessions.initiatorShift(session) : 0;
  if (form === events.DSN_RELATIVE) return shift + dsnLo - 1;
  const idsnLo = words[base + table.IDSN_LO]!;
  if (form === events.DSN_64) {
    // Exact below 2^53, wrap of the 64 bits included.
    return shift + ((dsnHi - words[base + table.IDSN_HI]!) | 0) * 0x100000000 + (dsnLo - idsnLo) - 1;
  }
  // RFC 8684 §3.3.1: the low half of a DSN is meant to be the nearest one to what is expected.
  const expected = expectedOffset(sessions, session, side);
  return expected + ((shift + dsnLo - ((idsnLo + 1 + expected) % 0x100000000)) | 0);
}

/**
 * The offset of a relative subflow sequence number of a session that is plain TCP (RFC 8684 §3.7): from then on stream and
 * subflow go in step, as they did in the direction's newest mapping. Without one the stream began with the subflow; NaN
 * where it began on another subflow, or where nobody knows yet at which number.
 */
export function plainOffset(sessions: Sessions, session: number, side: number, subflow: number, ssn: number): number {
  const { hot } = sessions.subflows;
  const higher = sessions.higherOf(subflow, side);
  const at = flow.direction(subflow, higher);
  const state = hot[subflow * flow.HOT_WORDS + flow.STATE]!;
  let ahead = side === 0 ? sessions.initiatorShift(session) - 1 : -1;
  if (!sessions.isPlain(session) && hot[at + flow.MAPPING_LENGTH] !== 0) {
    const form =
      state & (flow.STATE_DSN_RELATIVE << higher)
        ? events.DSN_RELATIVE
        : state & (flow.STATE_DSN_64 << higher)
          ? events.DSN_64
          : events.DSN_32;
    if (!isPlaceable(sessions, session, side, form)) return Number.NaN;
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
  else if (!sessions.isPlain(session) && isPartial(sessions, session)) return Number.NaN;
  // Of its 2^32 places, the nearest to what is expected.
  const expected = expectedOffset(sessions, session, side);
  return expected + ((ssn + ahead - expected) | 0);
}

/** Whether offsets count from a session's first octet that was seen, wherever its stream began. */
const isPartial = (sessions: Sessions, session: number): boolean =>
  (sessions.table.state(session) & (table.S_MIDSTREAM | table.S_SETTLED)) !== 0;

/**
 * Whether a number of this form has a place: one relative to the stream's beginning where that is offset 0, others where it
 * is known.
 */
function isPlaceable(sessions: Sessions, session: number, side: number, form: number): boolean {
  if (form === events.DSN_RELATIVE) return !isPartial(sessions, session);
  return (sessions.table.state(session) & (table.S_IDSN << side)) !== 0;
}
