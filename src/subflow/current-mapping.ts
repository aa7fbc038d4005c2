import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/**
 * Octets that only an infinite mapping reaches past its beginning. Its beginning then moves up to half of that below
 * the segment, so that it never lies 2^31 below, where it could not be told from above.
 */
export const FAR_INSIDE = 2 ** 30;

/** A mapping as the hot line of a direction has it: subflow sequence number, payload octets (INFINITE: no end), and DSN. */
export interface HotMapping {
  readonly ssn: number;
  readonly length: number;
  /** A DSN_ form of src/subflow/subflow-events.ts. */
  readonly form: number;
  readonly dsnHi: number;
  readonly dsnLo: number;
}

/** The newest mapping of a direction; null while none was stated. */
export function currentMapping(subflows: SubflowTable, subflow: number, higher: number): HotMapping | null {
  const { hot } = subflows;
  const at = table.direction(subflow, higher);
  const length = hot[at + table.MAPPING_LENGTH]! & table.INFINITE;
  if (length === 0) return null;
  const [dsnHi, dsnLo] = [hot[at + table.MAPPING_DSN_HI]!, hot[at + table.MAPPING_DSN_LO]!];
  return { ssn: hot[at + table.MAPPING_SSN]!, length, form: formOf(subflows, subflow, higher), dsnHi, dsnLo };
}

/** How the newest mapping of a direction states its DSN: a DSN_ form. */
export function formOf(subflows: SubflowTable, subflow: number, higher: number): number {
  const state = subflows.hot[subflow * table.HOT_WORDS + table.STATE]!;
  if (state & (table.STATE_DSN_RELATIVE << higher)) return events.DSN_RELATIVE;
  return state & (table.STATE_DSN_64 << higher) ? events.DSN_64 : events.DSN_32;
}

/** The checksum that the newest mapping of a direction was stated with; -1 where it has none. */
export function currentChecksum(subflows: SubflowTable, subflow: number, higher: number): number {
  const at = table.direction(subflow, higher);
  if ((subflows.hot[at + table.MAPPING_LENGTH]! & table.IS_CHECKED) === 0) return -1;
  return subflows.sums[(subflow * 2 + higher) * table.SUM_WORDS + table.SUM_STATED]! & 0xffff;
}

/** Whether octets are missing under the checksum of a direction's newest mapping. */
export function isCurrentOpen(subflows: SubflowTable, subflow: number, higher: number): boolean {
  const { hot } = subflows;
  const at = table.direction(subflow, higher);
  const length = hot[at + table.MAPPING_LENGTH]!;
  if ((length & table.IS_CHECKED) === 0) return false;
  return ((hot[at + table.NEXT_SSN]! - hot[at + table.MAPPING_SSN]!) | 0) < (length & table.INFINITE);
}

/** Makes a mapping the newest of its direction; one without a checksum. */
export function setCurrent(subflows: SubflowTable, subflow: number, higher: number, mapping: HotMapping): void {
  const { hot } = subflows;
  const at = table.direction(subflow, higher);
  hot[at + table.MAPPING_SSN] = mapping.ssn;
  hot[at + table.MAPPING_LENGTH] = mapping.length;
  hot[at + table.MAPPING_DSN_HI] = mapping.dsnHi;
  hot[at + table.MAPPING_DSN_LO] = mapping.dsnLo;
  const state = subflow * table.HOT_WORDS + table.STATE;
  hot[state]! &= ~((table.STATE_DSN_64 | table.STATE_DSN_RELATIVE) << higher);
  if (mapping.form === events.DSN_RELATIVE) hot[state]! |= table.STATE_DSN_RELATIVE << higher;
  else if (mapping.form === events.DSN_64) hot[state]! |= table.STATE_DSN_64 << higher;
  bringNear(hot, at);
}

/** Whether a mapping is the newest one of its direction. */
export function isCurrent(
  subflows: SubflowTable,
  subflow: number,
  higher: number,
  { ssn, length, form, dsnHi, dsnLo }: HotMapping,
): boolean {
  const { hot } = subflows;
  const at = table.direction(subflow, higher);
  if (ssn !== hot[at + table.MAPPING_SSN] || length !== (hot[at + table.MAPPING_LENGTH]! & table.INFINITE))
    return false;
  if (form !== formOf(subflows, subflow, higher)) return false;
  return dsnHi === hot[at + table.MAPPING_DSN_HI] && dsnLo === hot[at + table.MAPPING_DSN_LO];
}

/**
 * Whether the newest mapping may make room for this one: it is the same, or there is none, or all of it was seen and the
 * two have no octet in common.
 */
export function mayReplace(subflows: SubflowTable, subflow: number, higher: number, mapping: HotMapping): boolean {
  const { hot } = subflows;
  const at = table.direction(subflow, higher);
  const known = hot[at + table.MAPPING_LENGTH]! & table.INFINITE;
  if (known === 0 || isCurrent(subflows, subflow, higher, mapping)) return true;
  const { ssn, length } = mapping;
  const ahead = (ssn - hot[at + table.MAPPING_SSN]!) | 0;
  const seen = (hot[at + table.NEXT_SSN]! - hot[at + table.MAPPING_SSN]!) | 0;
  if (known === table.INFINITE || seen < known) return false;
  return ahead >= known || -ahead >= length;
}

/** How many octets the newest mapping's beginning lies below this subflow sequence number; signed. */
export function insideCurrent(hot: Uint32Array, at: number, ssn: number): number {
  bringNear(hot, at);
  return (ssn - hot[at + table.MAPPING_SSN]!) | 0;
}

/** Moves the beginning of an infinite mapping up in both its numberings, when its direction has come far. */
function bringNear(hot: Uint32Array, at: number): void {
  const inside = (hot[at + table.NEXT_SSN]! - hot[at + table.MAPPING_SSN]!) | 0;
  if (hot[at + table.MAPPING_LENGTH] !== table.INFINITE || inside <= FAR_INSIDE) return;
  const octets = inside - FAR_INSIDE / 2;
  const lo = (hot[at + table.MAPPING_DSN_LO]! + octets) >>> 0;
  if (lo < octets) hot[at + table.MAPPING_DSN_HI]! += 1;
  hot[at + table.MAPPING_DSN_LO] = lo;
  hot[at + table.MAPPING_SSN]! += octets;
}
