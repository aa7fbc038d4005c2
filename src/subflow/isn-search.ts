import { ISN, NEXT_SSN } from "./subflow-row.ts";

/**
 * Narrows down where a direction's relative sequence numbers begin, of a flow that was met in the middle: a segment lies
 * somewhere inside the mapping that its DSS states, so its ISN lies between two numbers, which meet once the first and
 * the last segment of some mappings were seen. They are kept where ISN and NEXT_SSN will be: the upper one, and how far
 * below it the lower one lies + 1. `at` is the direction's place in `hot`. Returns whether ISN is certain now.
 */
export function narrowIsn(
  hot: Uint32Array,
  at: number,
  seq: number,
  payload: number,
  mapping: { readonly ssn: number; readonly length: number },
): boolean {
  const room = mapping.length - payload;
  // A mapping repeated on a segment that leaves it says nothing about where it begins.
  if (payload === 0 || room < 0) return false;
  let upper = (seq - mapping.ssn) | 0;
  let lower = (upper - room) | 0;
  const width = hot[at + NEXT_SSN]! - 1;
  if (width >= 0) {
    const known = hot[at + ISN]! | 0;
    if (((known - upper) | 0) < 0) upper = known;
    if (((known - width - lower) | 0) > 0) lower = (known - width) | 0;
    // They contradict: begin anew with this one.
    if (((upper - lower) | 0) < 0) {
      upper = (seq - mapping.ssn) | 0;
      lower = (upper - room) | 0;
    }
  }
  const left = (upper - lower) | 0;
  hot[at + ISN] = upper;
  hot[at + NEXT_SSN] = left + 1;
  return left === 0;
}

/** Narrows it down by a SYN, of whose octets nobody said how many were taken: the ISN lies behind none to `octets` of them. */
export function narrowBySyn(hot: Uint32Array, at: number, seq: number, octets: number): void {
  narrowIsn(hot, at, seq + octets, 1, { ssn: 0, length: 1 + octets });
}
