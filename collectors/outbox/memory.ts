import { Account } from "./account.ts";
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

/** Bounds of a `MemoryOutbox`. */
export interface MemoryOutboxBounds {
  readonly maxRecords: number;
  /** Of values, keys and RECORD_OVERHEAD_OCTETS for each record. */
  readonly maxOctets: number;
}

/** Counted for each record beside its value and key: headers, object, queue slot. */
const RECORD_OVERHEAD_OCTETS = 512;

type Entry = { readonly record: OutboxRecord; readonly order: number; readonly atMs: number };

/** A first-in, first-out queue that takes from its front in constant time. Bounded by its owner. */
class Fifo {
  private entries: (Entry | undefined)[] = [];
  private front = 0;

  get first(): Entry | undefined {
    return this.entries[this.front];
  }

  push(entry: Entry): void {
    this.entries.push(entry);
  }

  shift(): Entry | undefined {
    const entry = this.entries[this.front];
    if (entry === undefined) return undefined;
    // A spent place would hold its record, which no bound counts any more, until the array is moved.
    this.entries[this.front] = undefined;
    this.front += 1;
    // Half of the array is spent: moving the rest costs less than what has been taken since the last time.
    if (this.front * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.front);
      this.front = 0;
    }
    return entry;
  }
}

/**
 * An outbox in memory. Bound: records and octets, under-way records included. Policy when met: the oldest record of
 * the first class in RECORD_CLASSES that has one waiting is shed and counted. Records under way are never shed, and a
 * record that does not fit beside them is shed itself. Its content ends with the process.
 */
export class MemoryOutbox implements Outbox {
  private readonly bounds: MemoryOutboxBounds;
  private readonly waiting: Record<RecordClass, Fifo> = {
    chunk: new Fifo(),
    updated: new Fifo(),
    opened: new Fifo(),
    ledger: new Fifo(),
    ended: new Fifo(),
    finding: new Fifo(),
    gap: new Fifo(),
  };
  /** What `read` returned and `settle` has not ended, unsent records of the batch before it first. */
  private underWay: readonly Entry[] = [];
  private reading = false;
  private wake: (() => void) | null = null;
  private closed = false;
  private order = 0;
  private readonly account = new Account();
  private stored = 0;
  private storedOctets = 0;

  constructor(bounds: MemoryOutboxBounds) {
    this.bounds = bounds;
  }

  get maxRecords(): number {
    return this.bounds.maxRecords;
  }

  append(records: readonly OutboxRecord[]): void {
    for (const record of records) {
      this.account.store(record.recordClass, 1);
      this.stored += 1;
      this.storedOctets += octetsOf(record);
      if (this.closed) {
        this.drop(record, "closed");
        continue;
      }
      this.waiting[record.recordClass].push({ record, order: this.order++, atMs: performance.now() });
      while (this.stored > this.bounds.maxRecords || this.storedOctets > this.bounds.maxOctets) {
        if (!this.shedOldest("full")) break;
      }
    }
    this.wake?.();
  }

  lose(shed: Counts): void {
    this.account.lose(shed);
  }

  async read(maxRecords: number, maxOctets: number): Promise<Batch | null> {
    if (this.reading) throw new Error("outbox: a batch is under way");
    this.reading = true;
    for (;;) {
      if (this.underWay.length === 0) this.underWay = this.takeOldest(maxRecords, maxOctets);
      const last = this.underWay.at(-1);
      if (last !== undefined) return { records: this.underWay.map(({ record }) => record), position: last.order + 1 };
      if (this.closed) {
        this.reading = false;
        return null;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = null;
    }
  }

  settle(outcomes: readonly Outcome[]): void {
    if (outcomes.length !== this.underWay.length) throw new Error("outbox: not one outcome for each record");
    this.underWay = this.underWay.filter((entry, i) => {
      if (outcomes[i] === "unsent") return true;
      if (outcomes[i] === "refused") {
        this.drop(entry.record, "refused");
      } else {
        this.account.acknowledge(entry.record.recordClass, 1);
        this.forget(entry.record);
      }
      return false;
    });
    this.reading = false;
  }

  close(): void {
    this.closed = true;
    this.wake?.();
  }

  abandon(): void {
    this.close();
    for (const { record } of this.underWay) this.drop(record, "abandoned");
    this.underWay = [];
    while (this.shedOldest("abandoned"));
  }

  stats(): OutboxStats {
    return this.account.stats({ storedOctets: this.storedOctets, oldestMs: this.oldestMs() });
  }

  untold(): { shed: Counts; sinceMs: number } {
    return this.account.untold();
  }

  told(shed: Counts, nowMs: number): void {
    this.account.told(shed, nowMs);
  }

  private oldestMs(): number {
    const firsts = RECORD_CLASSES.flatMap((name) => this.waiting[name].first?.atMs ?? []);
    const first = Math.min(...firsts, this.underWay[0]?.atMs ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(first) ? Math.round(performance.now() - first) : 0;
  }

  private takeOldest(maxRecords: number, maxOctets: number): Entry[] {
    const batch: Entry[] = [];
    let octets = 0;
    while (batch.length < maxRecords) {
      let oldest: RecordClass | undefined;
      let order = Number.POSITIVE_INFINITY;
      for (const name of RECORD_CLASSES) {
        const first = this.waiting[name].first;
        if (first !== undefined && first.order < order) {
          oldest = name;
          order = first.order;
        }
      }
      if (oldest === undefined) break;
      const first = this.waiting[oldest].first;
      if (first === undefined) break;
      octets += octetsOf(first.record);
      if (batch.length > 0 && octets > maxOctets) break;
      this.waiting[oldest].shift();
      batch.push(first);
    }
    return batch;
  }

  private shedOldest(reason: GivenUpReason): boolean {
    for (const name of RECORD_CLASSES) {
      const entry = this.waiting[name].shift();
      if (entry === undefined) continue;
      this.drop(entry.record, reason);
      return true;
    }
    return false;
  }

  private drop(record: OutboxRecord, reason: GivenUpReason): void {
    this.account.shed(reason, record.recordClass, 1);
    this.forget(record);
  }

  private forget(record: OutboxRecord): void {
    this.stored -= 1;
    this.storedOctets -= octetsOf(record);
  }
}

function octetsOf(record: OutboxRecord): number {
  return record.value.length + record.key.length + RECORD_OVERHEAD_OCTETS;
}
