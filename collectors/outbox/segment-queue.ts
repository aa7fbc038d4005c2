import type { AtRest } from "./at-rest.ts";
import type { PackedRecord, Part } from "./batch.ts";
import type { OutboxRecord, RecordClass } from "./outbox.ts";
import { type ReadFrame, Segment } from "./segment.ts";

/** The segments of one class, the oldest first, and how far they have been read. Bounded by its owner. */
export class SegmentQueue {
  readonly recordClass: RecordClass;
  private readonly segments: Segment[];
  /** The segment that is read, the offset of its next frame, and the frame that records are taken from. */
  private at = 0;
  private offset = 0;
  private frame: ReadFrame | null = null;
  private place = 0;

  /** Of the segments of a directory it takes those of its class. */
  constructor(recordClass: RecordClass, segments: readonly Segment[]) {
    this.recordClass = recordClass;
    this.segments = segments.filter((segment) => segment.recordClass === recordClass).sort((a, b) => a.first - b.first);
  }

  /** Records that were not taken yet. */
  get records(): number {
    return this.segments.reduce((sum, { records, taken }) => sum + records - taken, 0);
  }

  get octets(): number {
    return this.segments.reduce((sum, { octets }) => sum + octets, 0);
  }

  get heldOctets(): number {
    return this.segments.reduce((sum, { isHeld, octets }) => sum + (isHeld ? octets : 0), 0);
  }

  /** Behind the newest record. */
  get next(): number {
    return (this.segments.at(-1)?.last ?? -1) + 1;
  }

  /** The outbox's clock when the oldest record came, or a little later; infinite where there is none. */
  get oldestClockMs(): number {
    if (this.pending !== null && this.frame !== null) return this.frame.frame.clockMs;
    const segment = this.segments.find(({ records, taken }) => records > taken);
    if (segment === undefined) return Number.POSITIVE_INFINITY;
    return segment.taken === 0 ? segment.firstClockMs : segment.clockMs;
  }

  /** Appends to the newest segment, or a new one. Throws the file system's error, and then holds none of it. */
  append(directory: string, part: Part, base: number, clockMs: number, atRest: AtRest | null): void {
    const newest = this.segments.at(-1);
    if (newest !== undefined && !newest.isSealed && !newest.isHeld) {
      newest.append(part, base, clockMs, atRest);
      return;
    }
    newest?.finish();
    const segment = Segment.create(directory, this.recordClass, base);
    try {
      segment.append(part, base, clockMs, atRest);
    } catch (error) {
      segment.remove();
      throw error;
    }
    this.segments.push(segment);
  }

  /** The same in memory. */
  hold(part: Part, base: number, clockMs: number): void {
    let newest = this.segments.at(-1);
    if (newest === undefined || newest.isSealed || !newest.isHeld) {
      newest = Segment.hold(this.recordClass, base);
      this.segments.push(newest);
    }
    newest.append(part, base, clockMs, null);
  }

  /** Closes the newest segment for appending where it has so many octets, or began so long ago. */
  finishBeyond(octets: number, firstClockMs: number): void {
    const newest = this.segments.at(-1);
    if (newest === undefined || newest.records === 0) return;
    if (newest.octets >= octets || newest.firstClockMs < firstClockMs) newest.finish();
  }

  /** Sequence number of the next record to be read; null: there is none. Throws as `Segment.read` does. */
  head(atRest: AtRest | null): number | null {
    while (this.pending === null) {
      const segment = this.segments[this.at];
      if (segment === undefined) return null;
      this.frame = segment.read(this.offset, atRest);
      this.place = 0;
      if (this.frame !== null) this.offset = this.frame.end;
      else if (this.at + 1 < this.segments.length) this.moveTo(this.at + 1);
      else return null;
    }
    return (this.frame?.frame.base ?? 0) + this.pending.index;
  }

  /** The record that `head` found. */
  get headRecord(): OutboxRecord | null {
    return this.pending?.record ?? null;
  }

  /** Takes it. */
  shift(): void {
    const segment = this.segments[this.at];
    if (segment === undefined || this.pending === null) return;
    this.place += 1;
    segment.taken += 1;
  }

  /** Takes all records below a position. Throws a `SegmentDamage`, or the file system's error. */
  skipTo(position: number, atRest: AtRest | null): void {
    for (let segment = this.segments[this.at]; segment !== undefined; segment = this.segments[this.at]) {
      if (segment.last >= position) break;
      segment.taken = segment.records;
      this.moveTo(this.at + 1);
    }
    for (let head = this.head(atRest); head !== null && head < position; head = this.head(atRest)) this.shift();
  }

  /** Deletes segments of which everything is below a position. `before` is called first. Throws the file system's error. */
  removeSettled(position: number, before: () => void): void {
    // The newest one is appended to.
    while (this.at > 0 || this.segments[0]?.isSealed) {
      const segment = this.segments[0];
      if (segment === undefined || segment.last >= position || segment.taken < segment.records) return;
      before();
      segment.remove();
      this.segments.shift();
      if (this.at > 0) this.at -= 1;
      else this.moveTo(0);
    }
  }

  /**
   * Takes the oldest segment with nothing at or below a sequence number out of the queue, to be shed; null: none is there, or
   * its newest record did not come before this time of the outbox's clock.
   */
  takeOldest(sequence: number, beforeMs: number): Segment | null {
    const n = this.segments.findIndex(({ first }) => first > sequence);
    const segment = this.segments[n];
    if (segment === undefined || segment.clockMs >= beforeMs) return null;
    this.segments.splice(n, 1);
    if (n < this.at) this.at -= 1;
    else if (n === this.at) this.moveTo(n);
    return segment;
  }

  /** Takes the segment that is read out of the queue, to be set aside; null: there is none. */
  takeRead(): Segment | null {
    const [segment] = this.segments.splice(this.at, 1);
    this.moveTo(this.at);
    return segment ?? null;
  }

  /** Gives up what is in memory only, and returns how many records that were, with those taken that were `underWay`. */
  dropHeld(underWay: readonly number[]): number {
    let dropped = 0;
    for (const segment of this.segments.filter(({ isHeld }) => isHeld)) {
      const { first, last, records, taken } = segment;
      dropped += records - taken + underWay.filter((sequence) => first <= sequence && sequence <= last).length;
      this.segments.splice(this.segments.indexOf(segment), 1);
    }
    this.moveTo(Math.min(this.at, this.segments.length));
    return dropped;
  }

  /** Asks the disk for what was written since the last time. */
  sync(done: (error: Error | null) => void): void {
    for (const segment of this.segments) segment.sync(done);
  }

  /** Closes all files when the disk has what was written to them. Throws the file system's error. */
  close(): void {
    for (const segment of this.segments) {
      segment.finish();
      segment.syncNow();
      segment.close();
    }
  }

  private get pending(): PackedRecord | null {
    return this.frame?.records[this.place] ?? null;
  }

  private moveTo(at: number): void {
    this.at = at;
    this.offset = 0;
    this.frame = null;
    this.place = 0;
  }
}
