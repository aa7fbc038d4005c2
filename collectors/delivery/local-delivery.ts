import type { Logger } from "pino";
import { type PackedBatch, unpackBatch } from "../outbox/batch.ts";
import { DurableOutbox } from "../outbox/durable.ts";
import { MemoryOutbox, type MemoryOutboxBounds } from "../outbox/memory.ts";
import type { Counts, Outbox, OutboxRecord } from "../outbox/outbox.ts";
import { OperationalError } from "../runtime/errors.ts";
import { within } from "../runtime/within.ts";
import { persist } from "../sink/persist.ts";
import type { Sink } from "../sink/sink.ts";
import { type Delivery, type DeliveryStats, END_PORTION } from "./delivery.ts";
import { type GapSettings, GapTeller } from "./gap.ts";
import { Pump } from "./pump.ts";

/**
 * The start waits so long for a sink, where records can wait on the disk. Longer than it takes Kafka's to find that nobody is
 * there, which is then what the log says.
 */
const OPENING_MS = 12_000;
/** An attempt to reach the sink that is under way at the end gets this part of the time there is. */
const OPENING_SHARE = 1 / 4;

/**
 * Outbox and sink on the thread that has made it. With an outbox on disk it opens though the sink cannot be reached
 * yet: records wait there as they would through any outage.
 */
export class LocalDelivery implements Delivery {
  readonly failure: Promise<unknown>;
  private readonly outbox: Outbox;
  private readonly sink: Sink;
  private readonly log: Logger;
  private readonly teller: GapTeller;
  private readonly openingMs: number;
  private readonly abort = new AbortController();
  private fail: (error: unknown) => void = () => {};
  private pump: Pump | null = null;
  private opening: Promise<void> = Promise.resolve();
  /** What has not begun by now begins no more. */
  private isOver = false;
  private stopped: Promise<void> | null = null;

  constructor(outbox: Outbox, sink: Sink, gap: GapSettings, log: Logger, openingMs = OPENING_MS) {
    this.outbox = outbox;
    this.sink = sink;
    this.log = log;
    this.teller = new GapTeller(outbox, gap);
    this.openingMs = openingMs;
    this.failure = new Promise((resolve) => {
      this.fail = resolve;
    });
  }

  async open(): Promise<void> {
    const attempt = this.openSink();
    const opened = attempt.then(() => this.begin());
    this.opening = opened.catch(() => {});
    try {
      if (this.durable === null) await opened;
      else if (!(await within(opened, this.openingMs))) {
        return this.goOn(`the sink has given no answer for ${this.openingMs / 1000} s`, attempt);
      }
    } catch (error) {
      const isOutage = error instanceof OperationalError && error.retriable;
      if (this.durable === null || !isOutage) {
        await this.stop(0);
        throw error;
      }
      return this.goOn(error.message, null);
    }
  }

  append(records: readonly OutboxRecord[]): void {
    this.outbox.append(records);
  }

  /** `append` for records that another thread has packed, and `lost` of those it had no room for. */
  appendPacked(batch: PackedBatch, lost: Counts): void {
    this.outbox.lose(lost);
    if (this.durable !== null) this.durable.appendPacked(batch);
    else this.outbox.append(unpackBatch(batch));
  }

  get portion(): number {
    return Math.max(1, Math.min(END_PORTION, Math.floor(this.outbox.maxRecords / 4)));
  }

  waiting(): number {
    return this.outbox.stats().stored;
  }

  stats(): DeliveryStats {
    return { ...this.outbox.stats(), sink: this.sink.stats?.() ?? null };
  }

  /** A second call waits for the first: one whose sink cannot be opened has stopped by itself. */
  stop(limitMs: number): Promise<void> {
    this.stopped ??= this.drain(limitMs);
    return this.stopped;
  }

  private get durable(): DurableOutbox | null {
    return this.outbox instanceof DurableOutbox ? this.outbox : null;
  }

  private async drain(limitMs: number): Promise<void> {
    const endMs = performance.now() + limitMs;
    this.abort.abort();
    this.teller.stop();
    this.teller.tell();
    const hasAnswered = await within(this.opening, limitMs * OPENING_SHARE);
    if (!hasAnswered && this.durable === null) this.log.warn("the sink has given no answer since the start");
    const leftMs = () => Math.max(0, endMs - performance.now());
    this.isOver = true;
    if (this.pump === null) this.outbox.abandon();
    else await this.pump.stop(leftMs());
    await this.sink.close(leftMs());
    await this.durable?.end();
  }

  /** Opens the sink behind the start's back, beginning with an attempt that is `underWay`. */
  private goOn(why: string, underWay: Promise<void> | null): void {
    this.log.warn(`${why}; records wait in the outbox until then`);
    let first = underWay;
    const attempt = (): Promise<void> => {
      const next = first ?? this.openSink();
      first = null;
      return next;
    };
    const opened = persist("sink", attempt, this.abort.signal, this.log, Date.now());
    this.opening = opened.then((isOpen) => (isOpen ? this.begin() : undefined), this.fail);
  }

  private async openSink(): Promise<void> {
    await this.sink.open();
    const position = this.durable === null ? null : await this.sink.committed?.(this.durable.id);
    if (position != null) this.durable?.skipTo(position);
  }

  /** Once, and not any more where an answer of the sink comes behind the end. */
  private begin(): void {
    if (this.isOver) return;
    this.pump ??= new Pump(this.outbox, this.sink, (error) => this.fail(error));
  }
}

/** Holds some minutes of records through an outage of the sink. */
const MEMORY_BOUNDS: MemoryOutboxBounds = { maxRecords: 100_000, maxOctets: 256 * 1024 * 1024 };

/** A delivery on this thread whose records are in memory, and end with the process. */
export function inMemory(sink: Sink, gap: GapSettings, log: Logger, bounds = MEMORY_BOUNDS): LocalDelivery {
  return new LocalDelivery(new MemoryOutbox(bounds), sink, gap, log);
}
