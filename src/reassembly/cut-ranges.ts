/** Ranges kept; a record lists no more holes than this. */
const MAX_CUTS = 16;

/** The lowest ranges of a stream that its copies did not hold because they were cut short. */
export class CutRanges {
  readonly ranges: { start: number; end: number }[] = [];

  /**
   * Adds [start, end), which was not added before. Returns the offset from which on further ranges would not be kept, 0
   * while there is room for any.
   */
  add(start: number, end: number): number {
    const before = this.ranges.findLastIndex((range) => range.start < start);
    const neighbour = this.ranges[before];
    if (neighbour !== undefined && neighbour.end === start) neighbour.end = end;
    else this.ranges.splice(before + 1, 0, { start, end });
    if (this.ranges.length <= MAX_CUTS) return 0;
    this.ranges.pop();
    return this.ranges.at(-1)?.end ?? 0;
  }
}
