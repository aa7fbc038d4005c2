import type { PacketVector } from "../vector.ts";
import { DSS_DATA_FIN, DSS_DSN_64, type MptcpOptions } from "../wire/mptcp.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-table.ts";

/**
 * Octets that only an infinite mapping reaches past its beginning. Its beginning then moves up to half of that below
 * the segment, so that it never lies 2^31 below, where it could not be told from above.
 */
export const FAR_INSIDE = 2 ** 30;

/**
 * Takes the mapping of a segment's DSS as the newest of its direction, and notes a DATA_FIN. Returns event bits.
 * One mapping covers many segments and is repeated on each (RFC 8684 §3.3.1), so mostly nothing changes.
 */
export function takeMapping(
  subflows: table.SubflowTable,
  out: events.SubflowEvents,
  i: number,
  subflow: number,
  higher: number,
  options: MptcpOptions,
): number {
  const hot = subflows.hot;
  const base = subflow * table.HOT_WORDS;
  const at = base + table.DIRECTION + higher * table.DIRECTION_WORDS;
  const wide = (options.dss & DSS_DSN_64) !== 0;
  const relative = options.capableMapping;
  const known = hot[base + table.STATE]! >>> higher;
  const isFirst = (known & (table.STATE_MAPPING | table.STATE_DSN_RELATIVE)) !== table.STATE_MAPPING;
  let length = options.dataLength;
  let kind = isFirst && !relative ? events.FIRST_MAPPING : 0;
  if (options.dss & DSS_DATA_FIN) {
    // RFC 8684 §3.3.3: the DATA_FIN is the last octet of the mapping, one past the payload that is mapped. A mapping
    // without any octet has no room for it.
    if (length === 0) return 0;
    length -= 1;
    const lo = (options.dsnLo + length) >>> 0;
    out.finForm[i] = wide ? events.DSN_64 : events.DSN_32;
    out.finHi[i] = lo < options.dsnLo ? options.dsnHi + 1 : options.dsnHi;
    out.finLo[i] = lo;
    kind |= events.DATA_FIN;
    if (length === 0) return kind;
  } else if (length === 0) {
    length = table.INFINITE;
    kind |= events.INFINITE_MAPPING;
  }
  hot[at + table.MAPPING_SSN] = options.ssn;
  hot[at + table.MAPPING_LENGTH] = length;
  hot[at + table.MAPPING_DSN_HI] = relative ? 0 : options.dsnHi;
  hot[at + table.MAPPING_DSN_LO] = relative ? 1 : options.dsnLo;
  const forms = (table.STATE_DSN_64 | table.STATE_DSN_RELATIVE) << higher;
  let state = (hot[base + table.STATE]! & ~forms) | (table.STATE_MAPPING << higher);
  if (relative) state |= table.STATE_DSN_RELATIVE << higher;
  else if (wide) state |= table.STATE_DSN_64 << higher;
  hot[base + table.STATE] = state;
  return kind;
}

/**
 * Gives a segment's payload its data sequence number by its place inside the newest mapping, never by taking the
 * mapping's DSN for the segment's. Payload outside the mapping is counted as unmapped. Returns event bits.
 */
export function placePayload(
  subflows: table.SubflowTable,
  out: events.SubflowEvents,
  vector: PacketVector,
  i: number,
  subflow: number,
  higher: number,
  ssn: number,
): number {
  const hot = subflows.hot;
  const base = subflow * table.HOT_WORDS;
  const at = base + table.DIRECTION + higher * table.DIRECTION_WORDS;
  const state = hot[base + table.STATE]!;
  const payload = vector.payloadLength[i]!;
  const unmapped = subflow * table.COLD_WORDS + table.UNMAPPED;
  const length = hot[at + table.MAPPING_LENGTH]!;
  // Signed: a retransmission may begin below the mapping.
  let inside = (ssn - hot[at + table.MAPPING_SSN]!) | 0;
  if (inside > FAR_INSIDE && length === table.INFINITE) {
    moveBeginning(hot, at, inside - FAR_INSIDE / 2);
    inside = FAR_INSIDE / 2;
  }
  const skip = Math.max(-inside, 0);
  const from = Math.max(inside, 0);
  const covered = Math.min(payload - skip, length - from);
  if ((state & (table.STATE_MAPPING << higher)) === 0 || covered <= 0) {
    subflows.cold[unmapped]! += payload;
    return vector.mptcpAt[i] === 0 ? events.UNMAPPED_DATA : 0;
  }
  if (covered < payload) subflows.cold[unmapped]! += payload - covered;
  const lo = (hot[at + table.MAPPING_DSN_LO]! + from) >>> 0;
  out.dsnHi[i] = lo < from ? hot[at + table.MAPPING_DSN_HI]! + 1 : hot[at + table.MAPPING_DSN_HI]!;
  out.dsnLo[i] = lo;
  out.dsnForm[i] =
    state & (table.STATE_DSN_RELATIVE << higher)
      ? events.DSN_RELATIVE
      : state & (table.STATE_DSN_64 << higher)
        ? events.DSN_64
        : events.DSN_32;
  out.dataAt[i] = vector.payloadAt[i]! + skip;
  out.dataLength[i] = covered;
  out.dataCaptured[i] = Math.min(Math.max(vector.payloadCaptured[i]! - skip, 0), covered);
  return events.DATA;
}

/** Moves the beginning of a direction's mapping up, in both its numberings. */
function moveBeginning(hot: Uint32Array, at: number, octets: number): void {
  const lo = (hot[at + table.MAPPING_DSN_LO]! + octets) >>> 0;
  if (lo < octets) hot[at + table.MAPPING_DSN_HI]! += 1;
  hot[at + table.MAPPING_DSN_LO] = lo;
  hot[at + table.MAPPING_SSN]! += octets;
}
