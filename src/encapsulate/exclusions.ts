import type { PortRange } from "../../schema/configuration/port-range.ts";
import { type AddressRange, isInRange } from "../wire/network.ts";

/** Flows that are never copied: those with an end in one of the ranges, with one of the ports, or between such a pair. */
export interface Exclusions {
  readonly ranges: readonly AddressRange[];
  readonly ports: readonly PortRange[];
  /** Two ends that are excluded together: this host and a collector, so that no copy is ever copied. */
  readonly pairs: readonly (readonly [AddressRange, AddressRange])[];
}

/** Excludes nothing. */
export const NO_EXCLUSIONS: Exclusions = { ranges: [], ports: [], pairs: [] };

/**
 * Whether a flow is excluded. `words` holds its key from `at` on: lower address (4 words), higher address (4), both ports;
 * see `FlowKeys`.
 */
export function isExcluded(
  { ranges, ports, pairs }: Exclusions,
  family: number,
  words: Uint32Array,
  at: number,
): boolean {
  const inside = (range: AddressRange, address: number): boolean => isInRange(range, family, words, address);
  const both = words[at + 8] ?? 0;
  return (
    ranges.some((range) => inside(range, at) || inside(range, at + 4)) ||
    ports.some(({ first, last }) => isFrom(both >>> 16, first, last) || isFrom(both & 0xffff, first, last)) ||
    pairs.some(([a, b]) => (inside(a, at) && inside(b, at + 4)) || (inside(b, at) && inside(a, at + 4)))
  );
}

const isFrom = (port: number, first: number, last: number): boolean => port >= first && port <= last;
