import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/**
 * Counts a segment's payload for its subflow, when NEXT_SSN, which was `next`, has been moved: `fresh` of the octets had
 * not been seen, and they began `ahead` of `next`.
 */
export function countPayload(
  subflows: SubflowTable,
  subflow: number,
  higher: number,
  payload: number,
  fresh: number,
  ahead: number,
  next: number,
): void {
  const { cold, coldFloat, hot } = subflows;
  const base = subflow * table.COLD_WORDS;
  if (fresh < payload) cold[base + table.RETRANSMITTED + higher]!++;
  else if (ahead < 0) cold[base + table.OUT_OF_ORDER + higher]!++;
  const moved = hot[table.direction(subflow, higher) + table.NEXT_SSN]! - next;
  if (fresh !== moved) coldFloat[((base + table.OCTETS_BESIDE) >> 1) + higher]! += fresh - moved;
}

/** Takes into account that NEXT_SSN was moved by so much, without a segment that was counted. */
export function countMoved(subflows: SubflowTable, subflow: number, higher: number, moved: number): void {
  if (moved !== 0) subflows.coldFloat[((subflow * table.COLD_WORDS + table.OCTETS_BESIDE) >> 1) + higher]! -= moved;
}

/** Payload octets of a direction, each counted once: those of its SYN, and all that were seen since. */
export function payloadOctets(subflows: SubflowTable, subflow: number, higher: number): number {
  const next = subflows.hot[table.direction(subflow, higher) + table.NEXT_SSN]!;
  const beside = subflows.coldFloat[((subflow * table.COLD_WORDS + table.OCTETS_BESIDE) >> 1) + higher]!;
  // A direction of which nothing was seen has no NEXT_SSN yet.
  return Math.max(0, next - 1 + beside);
}
