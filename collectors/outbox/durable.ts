import { chmodSync, mkdirSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { DirectoryLock } from "../runtime/directory-lock.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { AtRest } from "./at-rest.ts";
import { type PackedBatch, type Part, packBatch } from "./batch.ts";
import { tidyDamaged } from "./damaged.ts";
import { emptyLedger, Ledger, type LedgerState } from "./ledger.ts";
import type {
  Batch,
  Counts,
  GivenUpReason,
  Outbox,
  OutboxRecord,
  OutboxStats,
  Outcome,
  RecordClass,
} from "./outbox.ts";
import { RECORD_CLASSES } from "./outbox.ts";
import { Segment, SegmentDamage } from "./segment.ts";
import { SegmentQueue } from "./segment-queue.ts";

/** How a `DurableOutbox` keeps its records. */
export interface DurableOutboxOptions {
  readonly directory: string;
  /** Of all segments. */
  readonly maxOctets: number;
  /** Records that have been stored longer are shed; the time in which no process had the outbox open does not count. */
  readonly maxAgeMs: number;
  /** What was appended is on the disk, power cut or not, after this time. */
  readonly syncMs: number;
  /** Null: records are written as they are. */
  readonly atRest: AtRest | null;
}

/** Records that the disk does not take wait in memory, so many octets of them. */
const HELD_OCTETS = 16 * 1024 * 1024;
/** A disk that took nothing, or gave nothing, is asked again after this time. */
const DISK_PAUSE_MS = 1000;
const MIN_SEGMENT_OCTETS = 64 * 1024;
const MAX_SEGMENT_OCTETS = 8 * 1024 * 1024;
/** A segment goes when its newest record is too old, so it must not span much of the age. */
const SEGMENTS_OF_AGE = 32;
const LOG_MS = 60_000;
/** What the log says of records that the disk does not take. */
const HELD = "a few wait in memory until it does, further ones are shed and counted";

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
  private readonly queues: ReadonlyMap<RecordClass, SegmentQueue>;
  private readonly timer: NodeJS.Timeout;
  private readonly openedMs = performance.now();
  private readonly openedClockMs: number;
  private underWay: { readonly sequence: number; readonly record: OutboxRecord }[] = [];
  private reading = false;
  private wake: (() => void) | null = null;
  private closed = false;
  private isDirty = false;
  private diskBackMs = 0;
  private toldDiskMs = Number.NEGATIVE_INFINITY;

  private constructor(
    options: DurableOutboxOptions,
    log: Pick<Logger, "warn">,
    lock: DirectoryLock,
    ledger: Ledger,
    state: LedgerState,
    queues: ReadonlyMap<RecordClass, SegmentQueue>,
  ) {
    this.options = options;
    this.log = log;
    this.lock = lock;
    this.ledger = ledger;
    this.state = state;
    this.queues = queues;
    this.openedClockMs = state.clockMs;
    this.timer = setInterval(() => this.sync(), options.syncMs);
    this.timer.unref();
  }

  /**
   * Opens or makes the outbox of a directory; what an earlier process left is there again. A damaged part is renamed
   * and told. Throws an `OperationalError` where the directory cannot be used, or is encrypted with another key.
   */
  static async open(options: DurableOutboxOptions, log: Pick<Logger, "warn">): Promise<DurableOutbox> {
    const { directory, atRest } = options;
    const unusable = (error: unknown) =>
      new OperationalError(
        "OUTBOX_DIRECTORY",
        `${directory}: no outbox can be kept there: ${(error as Error).message}; name another directory with --outbox`,
        { cause: error },
      );
    const lock = new DirectoryLock(directory);
    let holder: number | null;
    try {
      mkdirSync(directory, { recursive: false, mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw unusable(error);
    }
    try {
      chmodSync(directory, 0o700);
      holder = await lock.take();
    } catch (error) {
      throw unusable(error);
    }
    if (holder !== null) {
      throw new OperationalError(
        "OUTBOX_DIRECTORY",
        `${directory}: another collector, process ${holder}, has its outbox there; give each one of its own with --outbox`,
      );
    }
    try {
      const { ledger, state, isDamaged } = Ledger.open(directory);
      const names = readdirSync(directory).filter((name) => name.endsWith(".segment"));
      const segments = names.flatMap((name) => {
        const segment = Segment.open(directory, name);
        if (segment === null || name !== state?.removing) return segment ?? [];
        segment.remove();
        return [];
      });
      if (isDamaged) log.warn(`${directory}/ledger was damaged: it is set aside, and counts begin anew`);
      const keyId = atRest?.keyId ?? null;
      if (state !== null && state.keyId !== keyId && segments.length > 0) {
        for (const segment of segments) segment.close();
        ledger.close();
        const with_ = state.keyId === null ? "without a key" : "with another key";
        throw new OperationalError(
          "OUTBOX_KEY",
          `${directory}: its records were written ${with_}; start once with that one until they are delivered`,
        );
      }
      const entered = { ...(state ?? emptyLedger(keyId)), keyId };
      const queues = new Map(RECORD_CLASSES.map((name) => [name, new SegmentQueue(name, segments)]));
      const outbox = new DurableOutbox(options, log, lock, ledger, entered, queues);
      try {
        outbox.recount();
      } catch (error) {
        clearInterval(outbox.timer);
        throw error;
      }
      tidyDamaged(directory);
      return outbox;
    } catch (error) {
      await lock.release();
      throw error instanceof OperationalError ? error : unusable(error);
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
    this.state.made += batch.records;
    for (const part of batch.parts) {
      if (this.closed) this.drop("closed", part.recordClass, part.records);
      else this.store(part, base);
    }
    this.isDirty = true;
    this.shedToBounds();
    this.wake?.();
  }

  lose(shed: Counts): void {
    for (const [label, count] of Object.entries(shed)) {
      this.state.made += count;
      this.state.shed[label] = (this.state.shed[label] ?? 0) + count;
    }
    this.isDirty = true;
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
      this.state.stored[record.recordClass] = this.storedOf(record.recordClass) - 1;
      if (outcomes[i] === "acknowledged") this.state.acknowledged += 1;
      else this.count("refused", record.recordClass, 1);
    }
    const last = this.underWay[done - 1];
    if (last !== undefined) this.state.settled = last.sequence + 1;
    this.underWay = this.underWay.slice(done);
    this.reading = false;
    this.enter();
    for (const queue of this.queues.values()) this.guarded(() => queue.removeSettled(this.state.settled, this.syncNow));
  }

  /**
   * Counts everything below a position as acknowledged that is stored still: a sink has remembered that it has it.
   * Only before the first `read`.
   */
  skipTo(position: number): void {
    for (const [recordClass, queue] of this.queues) {
      this.readable(queue, () => queue.skipTo(position, this.options.atRest));
      const skipped = this.storedOf(recordClass) - queue.records;
      this.state.stored[recordClass] = this.storedOf(recordClass) - skipped;
      this.state.acknowledged += skipped;
    }
    this.state.settled = Math.max(this.state.settled, position);
    this.state.next = Math.max(this.state.next, position);
    this.enter();
  }

  close(): void {
    this.closed = true;
    this.wake?.();
  }

  /** Records stay where they are, for the next process; those in memory, for want of a disk, are shed. */
  abandon(): void {
    this.close();
    this.underWay = [];
    for (const [recordClass, queue] of this.queues) this.drop("abandoned", recordClass, queue.dropHeld(), true);
    this.enter();
  }

  /** Writes everything to the disk and lets go of the directory. Never rejects. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    this.close();
    for (const queue of this.queues.values()) this.guarded(() => queue.close());
    this.guarded(() => {
      this.enter();
      this.ledger.syncNow();
      this.ledger.close();
    });
    await this.lock.release();
  }

  stats(): OutboxStats {
    let stored = 0;
    let storedOctets = 0;
    let oldestClockMs = Number.POSITIVE_INFINITY;
    for (const [recordClass, queue] of this.queues) {
      stored += this.storedOf(recordClass);
      storedOctets += queue.octets;
      if (this.storedOf(recordClass) > 0) oldestClockMs = Math.min(oldestClockMs, queue.oldestClockMs);
    }
    const { made, acknowledged, shed } = this.state;
    const oldestMs = Number.isFinite(oldestClockMs) ? Math.max(0, Math.round(this.clockMs() - oldestClockMs)) : 0;
    return { made, acknowledged, stored, storedOctets, oldestMs, shed: { ...shed } };
  }

  untold(): { shed: Counts; sinceMs: number } {
    const { shed, told, toldAtMs } = this.state;
    const fresh = Object.entries(shed).map(([label, count]) => [label, count - (told[label] ?? 0)] as const);
    return { shed: Object.fromEntries(fresh.filter(([, count]) => count > 0)), sinceMs: toldAtMs };
  }

  told(shed: Counts, nowMs: number): void {
    this.state.toldAtMs = nowMs;
    for (const [label, count] of Object.entries(shed)) this.state.told[label] = (this.state.told[label] ?? 0) + count;
    this.enter();
  }

  /** Milliseconds that the outbox was open in its life: a wall clock that is set, forth or back, does not move it. */
  private clockMs(): number {
    return this.openedClockMs + performance.now() - this.openedMs;
  }

  private storedOf(recordClass: RecordClass): number {
    return this.state.stored[recordClass] ?? 0;
  }

  /** Brings the ledger to what the segments hold: an earlier process may have appended after its last entry. */
  private recount(): void {
    for (const [recordClass, queue] of this.queues) {
      this.readable(queue, () => queue.skipTo(this.state.settled, this.options.atRest));
      const counted = this.storedOf(recordClass);
      this.state.stored[recordClass] = queue.records;
      this.state.next = Math.max(this.state.next, queue.next);
      if (queue.records >= counted) {
        this.state.made += queue.records - counted;
        continue;
      }
      this.count("damaged", recordClass, counted - queue.records);
      this.log.warn(
        `${this.options.directory}: ${counted - queue.records} records of class ${recordClass} are not there any more`,
      );
    }
    this.isDirty = true;
    this.enter();
  }

  private store(part: Part, base: number): void {
    const queue = this.queueOf(part.recordClass);
    const { atRest, maxOctets, maxAgeMs } = this.options;
    const clockMs = this.clockMs();
    const segmentOctets = Math.min(MAX_SEGMENT_OCTETS, Math.max(MIN_SEGMENT_OCTETS, maxOctets / 64));
    queue.finishBeyond(segmentOctets, clockMs - maxAgeMs / SEGMENTS_OF_AGE);
    this.state.stored[part.recordClass] = this.storedOf(part.recordClass) + part.records;
    if (performance.now() >= this.diskBackMs) {
      try {
        queue.append(this.options.directory, part, base, clockMs, atRest);
        return;
      } catch (error) {
        this.diskBackMs = performance.now() + DISK_PAUSE_MS;
        this.warnOfDisk("take", error, HELD);
      }
    }
    let held = 0;
    for (const one of this.queues.values()) held += one.heldOctets;
    if (held + part.octets.length <= HELD_OCTETS) queue.hold(part, base, clockMs);
    else this.drop("disk", part.recordClass, part.records, true);
  }

  /** The oldest records of all classes, into `underWay`; false where the disk does not give the next one. */
  private take(maxRecords: number, maxOctets: number): boolean {
    try {
      this.takeOldest(maxRecords, maxOctets);
      return true;
    } catch (error) {
      this.warnOfDisk("give", error, "they are asked for again until it does");
      return false;
    }
  }

  private takeOldest(maxRecords: number, maxOctets: number): void {
    let octets = 0;
    while (this.underWay.length < maxRecords) {
      let oldest: SegmentQueue | null = null;
      let sequence = Number.POSITIVE_INFINITY;
      for (const queue of this.queues.values()) {
        const head = this.readable(queue, () => queue.head(this.options.atRest));
        if (head === null || head >= sequence) continue;
        oldest = queue;
        sequence = head;
      }
      const record = oldest?.headRecord ?? null;
      if (oldest === null || record === null) return;
      octets += record.value.length;
      if (this.underWay.length > 0 && octets > maxOctets) return;
      oldest.shift();
      this.underWay.push({ sequence, record });
    }
  }

  /** Does it, setting segments aside that turn out to be damaged. Throws the file system's error: they may be whole. */
  private readable<T>(queue: SegmentQueue, work: () => T): T {
    for (;;) {
      try {
        return work();
      } catch (error) {
        const segment = error instanceof SegmentDamage ? queue.takeRead() : null;
        if (segment === null) throw error;
        const records = segment.records - segment.taken;
        this.drop("damaged", queue.recordClass, records, true);
        const hindrance = segment.setAside();
        const end = hindrance === null ? "is set aside as *.damaged" : `cannot be set aside: ${hindrance.message}`;
        this.log.warn({ records }, `${(error as Error).message}; it ${end}`);
        tidyDamaged(this.options.directory);
      }
    }
  }

  private shedToBounds(): void {
    const { maxOctets, maxAgeMs } = this.options;
    const oldestMs = this.clockMs() - maxAgeMs;
    for (const queue of this.queues.values()) while (queue.newestClockMs < oldestMs && this.shedFrom(queue, "old"));
    for (;;) {
      let octets = 0;
      for (const queue of this.queues.values()) octets += queue.octets;
      if (octets <= maxOctets) return;
      if (!RECORD_CLASSES.some((name) => this.shedFrom(this.queueOf(name), "full"))) return;
    }
  }

  /** Sheds the oldest segment that is not under way; false where there is none. */
  private shedFrom(queue: SegmentQueue, reason: GivenUpReason): boolean {
    const segment = queue.takeOldest(this.underWay.at(-1)?.sequence ?? -1);
    if (segment === null) return false;
    this.drop(reason, queue.recordClass, segment.records - segment.taken, true);
    this.state.removing = basename(segment.name);
    this.guarded(() => {
      // In this order: a segment that is found again was counted already.
      this.enter();
      this.syncNow();
      segment.remove();
    });
    return true;
  }

  private drop(reason: GivenUpReason, recordClass: RecordClass, records: number, wasStored = false): void {
    if (wasStored) this.state.stored[recordClass] = this.storedOf(recordClass) - records;
    this.count(reason, recordClass, records);
  }

  private count(reason: GivenUpReason, recordClass: RecordClass, records: number): void {
    if (records === 0) return;
    const label = `${reason}/${recordClass}`;
    this.state.shed[label] = (this.state.shed[label] ?? 0) + records;
    this.isDirty = true;
  }

  private queueOf(recordClass: RecordClass): SegmentQueue {
    const queue = this.queues.get(recordClass);
    if (queue === undefined) throw new Error(`outbox: no class ${recordClass}`);
    return queue;
  }

  private enter(): void {
    this.state.clockMs = this.clockMs();
    this.guarded(() => this.ledger.write(this.state));
    this.isDirty = false;
  }

  private readonly syncNow = (): void => this.ledger.syncNow();

  /** Segments first: the ledger on the disk never counts what is not there yet. */
  private sync(): void {
    this.shedToBounds();
    if (this.isDirty) this.enter();
    const done = (error: Error | null) => {
      if (error !== null) this.warnOfDisk("take", error, HELD);
    };
    for (const queue of this.queues.values()) queue.sync(done);
    this.ledger.sync(done);
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.warnOfDisk("take", error, HELD);
    }
  }

  private warnOfDisk(verb: "take" | "give", error: unknown, policy: string): void {
    if (performance.now() - this.toldDiskMs < LOG_MS) return;
    this.toldDiskMs = performance.now();
    this.log.warn(
      `${this.options.directory}: the disk does not ${verb} records: ${(error as Error).message}; ${policy}`,
    );
  }
}
