import * as events from "../subflow/subflow-events.ts";

/** A data sequence number; of a 32-bit one `hi` is 0. */
export interface Dsn {
  readonly hi: number;
  readonly lo: number;
  readonly isWide: boolean;
}

/** The data sequence number of the octets of packet i, or of its DATA_FIN; null where it states none of its own. */
export function dsnOf(seen: events.SubflowEvents, i: number): Dsn | null {
  const kind = seen.kind[i]!;
  if ((kind & (events.DATA | events.DATA_FIN)) === 0) return null;
  const hasData = (kind & events.DATA) !== 0;
  const form = hasData ? seen.dsnForm[i]! : seen.finForm[i]!;
  if (form === events.DSN_RELATIVE) return null;
  const isWide = form === events.DSN_64;
  const hi = hasData ? seen.dsnHi[i]! : seen.finHi[i]!;
  return { hi: isWide ? hi : 0, lo: hasData ? seen.dsnLo[i]! : seen.finLo[i]!, isWide };
}

/** Octets from `b` to `a`, exact below 2^53 for two of 64 bits; of 32-bit ones the shorter way around. */
export const dsnDistance = (a: Dsn, b: Dsn): number =>
  a.isWide && b.isWide ? ((a.hi - b.hi) | 0) * 2 ** 32 + (a.lo - b.lo) : (a.lo - b.lo) | 0;

/** Whether `a` lies before `b`; one of 64 bits comes before any of 32, because it says more. */
export const isLower = (a: Dsn, b: Dsn | null): boolean =>
  b === null || (a.isWide === b.isWide ? dsnDistance(a, b) < 0 : a.isWide);
