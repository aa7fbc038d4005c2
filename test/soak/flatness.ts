/**
 * A program has done with growing when the last third of a run has no more than so many times what the second has. Less cannot be
 * told: what a process holds swings with the garbage collector.
 */
const MOST_GROWTH = 1.1;

/** What memory did over a run, whose first third is left out: tables, compiled code and heaps are filling then. */
export interface Flatness {
  /** Medians of the second and the last third, octets. */
  readonly second: number;
  readonly last: number;
  readonly isFlat: boolean;
}

/** Judges octets of memory at equal intervals of a run, three of them at least. */
export function flatness(samples: readonly number[]): Flatness {
  const third = Math.floor(samples.length / 3);
  const second = median(samples.slice(third, 2 * third));
  const last = median(samples.slice(2 * third));
  return { second, last, isFlat: last <= second * MOST_GROWTH };
}

function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
