/** Ranges kept per stream; one more is refused, and its octets count as not placed. */
export const MAX_RANGES = 4096;

/**
 * The ranges of a stream that lie beyond its contiguous part: sorted, disjoint, never adjacent. Offsets only; octets
 * are kept elsewhere. Offsets are integers below 2^53.
 */
export class RangeSet {
  /** Ranges kept. */
  length = 0;
  private starts = new Float64Array(8);
  private ends = new Float64Array(8);

  /** The start of range i. */
  start(i: number): number {
    return this.starts[i] ?? Number.NaN;
  }

  /** The end (one past the last octet) of range i. */
  end(i: number): number {
    return this.ends[i] ?? Number.NaN;
  }

  /**
   * Adds [start, end) and calls `isNew` for each piece that was not there, in order. Returns false, adding nothing,
   * when that would be one range too many.
   */
  add(start: number, end: number, isNew: (start: number, end: number) => void): boolean {
    const first = this.firstEndingAtOrAfter(start);
    let last = first;
    while (last < this.length && this.start(last) <= end) last++;
    if (last === first && this.length === MAX_RANGES) return false;
    let at = start;
    for (let i = first; i < last; i++) {
      if (this.start(i) > at) isNew(at, this.start(i));
      at = Math.max(at, this.end(i));
    }
    if (at < end) isNew(at, end);
    const joinedStart = last > first ? Math.min(start, this.start(first)) : start;
    const joinedEnd = last > first ? Math.max(end, this.end(last - 1)) : end;
    this.splice(first, last - first, joinedStart, joinedEnd);
    return true;
  }

  /** Takes ranges that begin at or before `offset` out and returns how far the contiguous part now reaches. */
  advance(offset: number): number {
    let reached = offset;
    let taken = 0;
    while (taken < this.length && this.start(taken) <= reached) {
      reached = Math.max(reached, this.end(taken));
      taken++;
    }
    if (taken > 0) {
      this.starts.copyWithin(0, taken, this.length);
      this.ends.copyWithin(0, taken, this.length);
      this.length -= taken;
    }
    return reached;
  }

  private firstEndingAtOrAfter(offset: number): number {
    let low = 0;
    let high = this.length;
    // Most segments lie at the end.
    if (high > 0 && this.end(high - 1) < offset) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.end(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private splice(at: number, removed: number, start: number, end: number): void {
    const length = this.length - removed + 1;
    if (length > this.starts.length) {
      this.starts = grown(this.starts);
      this.ends = grown(this.ends);
    }
    if (removed !== 1) {
      this.starts.copyWithin(at + 1, at + removed, this.length);
      this.ends.copyWithin(at + 1, at + removed, this.length);
    }
    this.starts[at] = start;
    this.ends[at] = end;
    this.length = length;
  }
}

function grown(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}
