import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import type { DirectoryLock } from "../runtime/directory-lock.ts";
import { Account } from "./account.ts";
import { type PackedBatch, type Part, packBatch } from "./batch.ts";
import { tidyDamaged } from "./damaged.ts";
import { type DirectoryOptions, type OpenedDirectory, openDirectory, unusable } from "./directory.ts";
import { DiskWarnings } from "./disk-warnings.ts";
import type { Ledger, LedgerState } from "./ledger.ts";
import type { Batch, Counts, GivenUpReason, Outbox, OutboxRecord, OutboxStats, Outcome } from "./outbox.ts";
import { RECORD_CLASSES } from "./outbox.ts";
import type { Segment } from "./segment.ts";
import type { SegmentQueue } from "./segment-queue.ts";
import { type Numbered, type OnDamage, SegmentQueues } from "./segment-queues.ts";

/** How a `DurableOutbox` keeps its records. */
export interface DurableOutboxOptions extends DirectoryOptions {
  /** Of all segments. */
  readonly maxOctets: number;
  /** Records that have been stored longer are shed; the time in which no process had the outbox open does not count. */
  readonly maxAgeMs: number;
  /** What was appended is on the disk, power cut or not, after this time. */
  readonly syncMs: number;
}

/** Records that the disk does not take wait in memory, so many octets of them. */
const HELD_OCTETS = 16 * 1024 * 1024;
/** A disk that took nothing, or gave nothing, is asked again after this time. */
const DISK_PAUSE_MS = 1000;
const MIN_SEGMENT_OCTETS = 64 * 1024;
const MAX_SEGMENT_OCTETS = 8 * 1024 * 1024;
/** A segment goes when its newest record is too old, so it must not span much of the age. */
const SEGMENTS_OF_AGE = 32;
/** Names of segments that are counted and whose files stay: the ledger has room for so many. */
const MAX_LINGERING = 64;

/**
 * An outbox in a directory: segment files by class, and a ledger. What `append` was given survives the end of the
 * process at any instant, and after `syncMs` that of the machine. Bounds: octets and age; policy: the oldest segment
 * of the first class in RECORD_CLASSES that has one is shed, all of its records at once, but none that is under way.
 * One process has it open.
 */
export class DurableOutbox implements Outbox {
  readonly maxRecords = Number.POSITIVE_INFINITY;
  private readonly options: DurableOutboxOptions;
  private readonly log: Pick<Logger, "warn">;
  private readonly lock: DirectoryLock;
  private readonly ledger: Ledger;
  private readonly state: LedgerState;
  private readonly account: Account;
  private readonly queues: SegmentQueues;
  private readonly disk: DiskWarnings;
  private readonly timer: NodeJS.Timeout;
  private readonly openedMs = performance.now();
  private readonly openedClockMs: number;
  private underWay: Numbered[] = [];
  private reading = false;
  private wake: (() => void) | null = null;
  private closed = false;
  private diskBackMs = 0;

  private constructor(
    options: DurableOutboxOptions,
    log: Pick<Logger, "warn">,
    { lock, ledger, state, segments }: OpenedDirectory,
  ) {
    this.options = options;
    this.log = log;
    this.lock = lock;
    this.ledger = ledger;
    this.state = state;
    this.account = new Account(state);
    this.queues = new SegmentQueues(segments, options.atRest, this.setAside);
    this.disk = new DiskWarnings(options.directory, log);
    this.openedClockMs = state.clockMs;
    this.timer = setInterval(() => this.sync(), options.syncMs);
    this.timer.unref();
  }

  /**
   * Opens or makes the outbox of a directory; what an earlier process left is there again. A damaged part is renamed
   * and told. Throws an `OperationalError` where the directory cannot be used, or is encrypted with another key.
   */
  static async open(options: DurableOutboxOptions, log: Pick<Logger, "warn">): Promise<DurableOutbox> {
    const opened = await openDirectory(options, log);
    const outbox = new DurableOutbox(options, log, opened);
    try {
      outbox.recount();
      tidyDamaged(options.directory);
      return outbox;
    } catch (error) {
      clearInterval(outbox.timer);
      await opened.lock.release();
      throw unusable(options.directory, error);
    }
  }

  /** Names this outbox, in every process that opens it. */
  get id(): string {
    return this.state.id;
  }

  append(records: readonly OutboxRecord[]): void {
    this.appendPacked(packBatch(records));
  }

  /** `append` for records that somebody else has packed. */
  appendPacked(batch: PackedBatch): void {
    const base = this.state.next;
    this.state.next += batch.records;
    for (const part of batch.parts) {
      this.account.store(part.recordClass, part.records);
      if (this.closed) this.account.shed("closed", part.recordClass, part.records);
      else this.store(part, base);
    }
    this.shedToBounds();
    this.wake?.();
  }

  lose(shed: Counts): void {
    this.account.lose(shed);
  }

  /** Closed, it returns null as well where the disk does not give what is stored: the next process reads that. */
  async read(maxRecords: number, maxOctets: number): Promise<Batch | null> {
    if (this.reading) throw new Error("outbox: a batch is under way");
    this.reading = true;
    for (;;) {
      const isReadable = this.underWay.length > 0 || this.take(maxRecords, maxOctets);
      const last = this.underWay.at(-1);
      if (last !== undefined) {
        return { records: this.underWay.map(({ record }) => record), position: last.sequence + 1 };
      }
      if (this.closed) {
        this.reading = false;
        return null;
      }
      if (!isReadable) {
        await pause(DISK_PAUSE_MS);
        continue;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = null;
    }
  }

  /** What follows the first unsent record is sent again, whatever became of it: the position is one number. */
  settle(outcomes: readonly Outcome[]): void {
    if (outcomes.length !== this.underWay.length) throw new Error("outbox: not one outcome for each record");
    const firstUnsent = outcomes.indexOf("unsent");
    const done = firstUnsent < 0 ? outcomes.length : firstUnsent;
    for (const [i, { record }] of this.underWay.slice(0, done).entries()) {
      if (outcomes[i] === "acknowledged") this.account.acknowledge(record.recordClass, 1);
      else this.account.shed("refused", record.recordClass, 1);
    }
    const last = this.underWay[done - 1];
    if (last !== undefined) this.state.settled = last.sequence + 1;
    this.underWay = this.underWay.slice(done);
    this.reading = false;
    this.enter();
    for (const queue of this.queues) this.disk.guard(() => queue.removeSettled(this.state.settled, this.syncNow));
  }

  /**
   * Counts everything below a position as acknowledged that is stored still: a sink has remembered that it has it.
   * Only before the first `read`.
   */
  skipTo(position: number): void {
    this.queues.skipTo(position);
    for (const { recordClass, records } of this.queues) {
      this.account.acknowledge(recordClass, this.account.storedOf(recordClass) - records);
    }
    this.state.settled = Math.max(this.state.settled, position);
    this.state.next = Math.max(this.state.next, position);
    this.enter();
  }

  close(): void {
    this.closed = true;
    this.wake?.();
  }

  /** Records stay where they are, for the next process; those in memory, for want of a disk, are shed, under way or not. */
  abandon(): void {
    this.close();
    for (const queue of this.queues) {
      const underWay = this.underWay.filter(({ record }) => record.recordClass === queue.recordClass);
      const dropped = queue.dropHeld(underWay.map(({ sequence }) => sequence));
      this.account.shed("abandoned", queue.recordClass, dropped);
    }
    this.underWay = [];
    this.enter();
  }

  /** Writes everything to the disk and lets go of the directory. Never rejects. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    this.close();
    for (const queue of this.queues) this.disk.guard(() => queue.close());
    this.disk.guard(() => {
      this.enter();
      this.ledger.syncNow();
      this.ledger.close();
    });
    await this.lock.release();
  }

  stats(): OutboxStats {
    const { octets, oldestClockMs } = this.queues;
    const oldestMs = Number.isFinite(oldestClockMs) ? Math.max(0, Math.round(this.clockMs() - oldestClockMs)) : 0;
    return this.account.stats({ storedOctets: octets, oldestMs });
  }

  untold(): { shed: Counts; sinceMs: number } {
    return this.account.untold();
  }

  told(shed: Counts, nowMs: number): void {
    this.account.told(shed, nowMs);
    this.enter();
  }

  /** Milliseconds that the outbox was open in its life: a wall clock that is set, forth or back, does not move it. */
  private clockMs(): number {
    return this.openedClockMs + performance.now() - this.openedMs;
  }

  /** Brings the ledger to what the segments hold: an earlier process may have appended after its last entry. */
  private recount(): void {
    this.queues.skipTo(this.state.settled);
    this.state.next = Math.max(this.state.next, this.queues.next);
    for (const { recordClass, records } of this.queues) {
      const lost = this.account.storedOf(recordClass) - records;
      if (lost <= 0) {
        this.account.store(recordClass, -lost);
        continue;
      }
      this.account.shed("damaged", recordClass, lost);
      this.log.warn(`${this.options.directory}: ${lost} records of class ${recordClass} are not there any more`);
    }
    this.enter();
  }

  private store(part: Part, base: number): void {
    const queue = this.queues.of(part.recordClass);
    const { directory, maxOctets, maxAgeMs } = this.options;
    const clockMs = this.clockMs();
    const segmentOctets = Math.min(MAX_SEGMENT_OCTETS, Math.max(MIN_SEGMENT_OCTETS, maxOctets / 64));
    queue.finishBeyond(segmentOctets, clockMs - maxAgeMs / SEGMENTS_OF_AGE);
    if (performance.now() >= this.diskBackMs) {
      try {
        this.queues.append(directory, part, base, clockMs);
        return;
      } catch (error) {
        this.diskBackMs = performance.now() + DISK_PAUSE_MS;
        this.disk.tell("take", error);
      }
    }
    if (this.queues.heldOctets + part.octets.length <= HELD_OCTETS) queue.hold(part, base, clockMs);
    else this.account.shed("disk", part.recordClass, part.records);
  }

  /** The oldest records of all classes, into `underWay`; false where the disk does not give the next one. */
  private take(maxRecords: number, maxOctets: number): boolean {
    try {
      this.queues.takeOldest(maxRecords, maxOctets, this.underWay);
      return true;
    } catch (error) {
      this.disk.tell("give", error);
      return false;
    }
  }

  private readonly setAside: OnDamage = ({ recordClass, records: others, next }, segment, damage) => {
    const untaken = segment.records - segment.taken;
    // What an earlier process had settled of it was not taken by this one, which cannot read it. The account tells how much
    // that is, unless the earlier one appended after it had last written its account.
    const isBehind = Math.max(next, segment.last + 1) > this.state.next;
    const records = isBehind ? untaken : Math.min(untaken, this.account.storedOf(recordClass) - others);
    this.account.shed("damaged", recordClass, records);
    const hindrance = segment.setAside();
    if (hindrance !== null) this.linger(segment);
    const end = hindrance === null ? "is set aside as *.damaged" : `cannot be set aside: ${hindrance.message}`;
    this.log.warn({ records }, `${damage.message}; it ${end}`);
    tidyDamaged(this.options.directory);
  };

  private shedToBounds(): void {
    const { maxOctets, maxAgeMs } = this.options;
    const oldestMs = this.clockMs() - maxAgeMs;
    for (const queue of this.queues) while (this.shedFrom(queue, "old", oldestMs));
    while (this.queues.octets > maxOctets) {
      if (!RECORD_CLASSES.some((name) => this.shedFrom(this.queues.of(name), "full", Number.POSITIVE_INFINITY))) return;
    }
  }

  /** Sheds the oldest segment that is not under way; false where there is none, or it has records of `beforeMs` or later. */
  private shedFrom(queue: SegmentQueue, reason: GivenUpReason, beforeMs: number): boolean {
    const segment = queue.takeOldest(this.underWay.at(-1)?.sequence ?? -1, beforeMs);
    if (segment === null) return false;
    this.account.shed(reason, queue.recordClass, segment.records - segment.taken);
    this.state.removing = basename(segment.name);
    let isRemoved = false;
    this.disk.guard(() => {
      // In this order: a segment that is found again was counted already.
      this.enter();
      this.syncNow();
      segment.remove();
      isRemoved = true;
    });
    // The next one that is shed takes its place in `removing`.
    if (!isRemoved) this.linger(segment);
    return true;
  }

  private linger({ name }: Segment): void {
    this.state.lingering = [...this.state.lingering, basename(name)].slice(-MAX_LINGERING);
  }

  private enter(): void {
    this.state.clockMs = this.clockMs();
    this.disk.guard(() => this.ledger.write(this.state));
    this.account.isChanged = false;
  }

  private readonly syncNow = (): void => this.ledger.syncNow();

  /** Segments first: the ledger on the disk never counts what is not there yet. */
  private sync(): void {
    this.shedToBounds();
    if (this.account.isChanged) this.enter();
    const done = (error: Error | null) => {
      if (error !== null) this.disk.tell("take", error);
    };
    for (const queue of this.queues) queue.sync(done);
    this.ledger.sync(done);
  }
}
