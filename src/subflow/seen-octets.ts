/**
 * Ranges kept beyond the first hole: more than one mapping of Linux can leave. At the bound the first hole is given up, as
 * if its octets had been seen.
 */
const MAX_RANGES = 64;

/**
 * Which octets of one subflow direction were seen, by place: everything below `floor`, and a few ranges above it, sorted,
 * disjoint, never adjacent. Places are integers below 2^53.
 */
export class SeenOctets {
  /** The first hole begins here; without a hole, the end of what was seen. */
  floor: number;
  /** [start, end) pairs above the floor. */
  private ranges: number[] = [];
  /** After `add`: the octets that are new, as [start, end) pairs. */
  readonly fresh: number[] = [];

  /** After `add`: whether a hole was given up for it. */
  gaveUp = false;

  constructor(floor: number) {
    this.floor = floor;
  }

  /** Whether nothing is missing below the end of what was seen. */
  get isWhole(): boolean {
    return this.ranges.length === 0;
  }

  /** Notes [start, end), leaves what of it is new in `fresh`, and returns how many octets that are. */
  add(start: number, end: number): number {
    this.fresh.length = 0;
    this.gaveUp = false;
    let at = Math.max(start, this.floor);
    if (at >= end) return 0;
    if (at === this.floor && this.ranges.length === 0) {
      this.fresh.push(at, end);
      this.floor = end;
      return end - at;
    }
    let octets = 0;
    const merged = [at, end];
    const kept: number[] = [];
    for (let i = 0; i < this.ranges.length; i += 2) {
      const from = this.ranges[i] ?? 0;
      const to = this.ranges[i + 1] ?? 0;
      if (to < (merged[0] ?? 0) || from > end) {
        kept.push(from, to);
        continue;
      }
      if (from > at) octets += this.note(at, Math.min(from, end));
      at = to;
      merged[0] = Math.min(merged[0] ?? 0, from);
      merged[1] = Math.max(merged[1] ?? 0, to);
    }
    if (at < end) octets += this.note(at, end);
    const behind = kept.findIndex((from, i) => i % 2 === 0 && from > end);
    kept.splice(behind < 0 ? kept.length : behind, 0, ...merged);
    this.ranges = kept;
    this.gaveUp = this.ranges.length > MAX_RANGES * 2;
    if (this.gaveUp) this.floor = this.ranges[0] ?? this.floor;
    this.settle();
    return octets;
  }

  /** Whether all of [start, end) was seen, or given up. */
  covers(start: number, end: number): boolean {
    if (end <= this.floor) return true;
    const from = Math.max(start, this.floor);
    return this.ranges.some((at, i) => i % 2 === 0 && at <= from && (this.ranges[i + 1] ?? 0) >= end);
  }

  /** Gives up the holes below a place. */
  giveUpBelow(place: number): void {
    if (place <= this.floor) return;
    this.floor = place;
    this.settle();
  }

  private note(start: number, end: number): number {
    this.fresh.push(start, end);
    return end - start;
  }

  /** Ranges that the floor has reached become part of it. */
  private settle(): void {
    while ((this.ranges[0] ?? Number.POSITIVE_INFINITY) <= this.floor) {
      this.floor = Math.max(this.floor, this.ranges[1] ?? 0);
      this.ranges.splice(0, 2);
    }
  }
}
