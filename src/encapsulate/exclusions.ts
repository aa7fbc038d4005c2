import type { PortRange } from "../../schema/configuration/port-range.ts";
import { parseAddress } from "../wire/address.ts";

/** An address prefix; `words` is the address as four 32-bit words (IPv4 in the first), of which `length` bits count. */
export interface Prefix {
  readonly family: 4 | 6;
  readonly words: readonly [number, number, number, number];
  readonly length: number;
}

/** Flows that are never copied: those with an end in one of the prefixes, with one of the ports, or between such a pair. */
export interface Exclusions {
  readonly prefixes: readonly Prefix[];
  readonly ports: readonly PortRange[];
  /** Two ends that are excluded together: this host and a collector, so that no copy is ever copied. */
  readonly pairs: readonly (readonly [Prefix, Prefix])[];
}

/** Excludes nothing. */
export const NO_EXCLUSIONS: Exclusions = { prefixes: [], ports: [], pairs: [] };

/** Reads `192.0.2.0/24`, `2001:db8::/32` or an address alone; null for text that is none of these. */
export function parsePrefix(text: string): Prefix | null {
  const [address = "", lengthText, ...more] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === null || more.length > 0) return null;
  const most = parsed.family === 4 ? 32 : 128;
  const length = lengthText === undefined ? most : /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : -1;
  return length < 0 || length > most ? null : { ...parsed, length };
}

/** The bits of word `k`, 0 to 3, that a prefix of so many bits compares. */
export function maskOf({ length }: Prefix, k: number): number {
  const bits = Math.min(Math.max(length - k * 32, 0), 32);
  return bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
}

/**
 * Whether a flow is excluded. `words` holds its key from `at` on: lower address (4 words), higher address (4), both ports;
 * see `FlowKeys`.
 */
export function isExcluded(
  { prefixes, ports, pairs }: Exclusions,
  family: number,
  words: Uint32Array,
  at: number,
): boolean {
  const inside = (prefix: Prefix, address: number): boolean =>
    prefix.family === family &&
    prefix.words.every((word, k) => (((words[address + k] ?? 0) ^ word) & maskOf(prefix, k)) === 0);
  const both = words[at + 8] ?? 0;
  return (
    prefixes.some((prefix) => inside(prefix, at) || inside(prefix, at + 4)) ||
    ports.some(({ first, last }) => isFrom(both >>> 16, first, last) || isFrom(both & 0xffff, first, last)) ||
    pairs.some(([a, b]) => (inside(a, at) && inside(b, at + 4)) || (inside(b, at) && inside(a, at + 4)))
  );
}

const isFrom = (port: number, first: number, last: number): boolean => port >= first && port <= last;
