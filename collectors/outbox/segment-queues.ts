import type { AtRest } from "./at-rest.ts";
import type { Part } from "./batch.ts";
import { type OutboxRecord, RECORD_CLASSES, type RecordClass } from "./outbox.ts";
import { type Segment, SegmentDamage } from "./segment.ts";
import { SegmentQueue } from "./segment-queue.ts";

/** A record, and its place among all that an outbox was ever given. */
export interface Numbered {
  readonly sequence: number;
  readonly record: OutboxRecord;
}

/** What is told of a segment that turns out to be damaged, once it is out of its queue. */
export type OnDamage = (queue: SegmentQueue, segment: Segment, damage: SegmentDamage) => void;

/** The queues of all classes, read as one. Bounded by its owner. */
export class SegmentQueues {
  private readonly queues: ReadonlyMap<RecordClass, SegmentQueue>;
  private readonly atRest: AtRest | null;
  private readonly onDamage: OnDamage;

  /** The segments of a directory, in any order. */
  constructor(segments: readonly Segment[], atRest: AtRest | null, onDamage: OnDamage) {
    this.queues = new Map(RECORD_CLASSES.map((name) => [name, new SegmentQueue(name, segments)]));
    this.atRest = atRest;
    this.onDamage = onDamage;
  }

  [Symbol.iterator](): Iterator<SegmentQueue> {
    return this.queues.values();
  }

  /** The queue of a class. */
  of(recordClass: RecordClass): SegmentQueue {
    const queue = this.queues.get(recordClass);
    if (queue === undefined) throw new Error(`outbox: no class ${recordClass}`);
    return queue;
  }

  get octets(): number {
    return this.sum(({ octets }) => octets);
  }

  /** In memory, for want of a disk. */
  get heldOctets(): number {
    return this.sum(({ heldOctets }) => heldOctets);
  }

  /** Behind the newest record. */
  get next(): number {
    return Math.max(...[...this.queues.values()].map(({ next }) => next));
  }

  /** The outbox's clock when the oldest record came, or a little later; infinite where there is none. */
  get oldestClockMs(): number {
    return Math.min(...[...this.queues.values()].map(({ oldestClockMs }) => oldestClockMs));
  }

  /** Appends to the queue of its class. Throws the file system's error, and then holds none of it. */
  append(directory: string, part: Part, base: number, clockMs: number): void {
    this.of(part.recordClass).append(directory, part, base, clockMs, this.atRest);
  }

  /**
   * Takes the oldest records of all, at most so many and (beyond the first) so many octets, and adds them to `into`. Throws
   * the file system's error: what it has taken by then is there.
   */
  takeOldest(maxRecords: number, maxOctets: number, into: Numbered[]): void {
    let octets = 0;
    while (into.length < maxRecords) {
      let oldest: SegmentQueue | null = null;
      let first = Number.POSITIVE_INFINITY;
      let second = Number.POSITIVE_INFINITY;
      for (const queue of this.queues.values()) {
        const head = this.head(queue);
        if (head >= first) {
          second = Math.min(second, head);
          continue;
        }
        second = first;
        first = head;
        oldest = queue;
      }
      if (oldest === null) return;
      // All that comes before the next queue's: mostly records of one class follow each other.
      for (let head = first; head < second && into.length < maxRecords; head = this.head(oldest)) {
        const record = oldest.headRecord;
        if (record === null) return;
        octets += record.value.length;
        if (into.length > 0 && octets > maxOctets) return;
        oldest.shift();
        into.push({ sequence: head, record });
      }
    }
  }

  /** Sequence number of a queue's next record; infinite where there is none. */
  private head(queue: SegmentQueue): number {
    return this.readable(queue, () => queue.head(this.atRest)) ?? Number.POSITIVE_INFINITY;
  }

  /** Takes all records below a position. Throws the file system's error. */
  skipTo(position: number): void {
    for (const queue of this.queues.values()) this.readable(queue, () => queue.skipTo(position, this.atRest));
  }

  /** Does it, taking segments out that turn out to be damaged. Throws the file system's error: they may be whole. */
  private readable<T>(queue: SegmentQueue, work: () => T): T {
    for (;;) {
      try {
        return work();
      } catch (error) {
        const segment = error instanceof SegmentDamage ? queue.takeRead() : null;
        if (segment === null || !(error instanceof SegmentDamage)) throw error;
        this.onDamage(queue, segment, error);
      }
    }
  }

  private sum(figure: (queue: SegmentQueue) => number): number {
    let sum = 0;
    for (const queue of this.queues.values()) sum += figure(queue);
    return sum;
  }
}
