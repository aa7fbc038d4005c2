import { Worker } from "node:worker_threads";
import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { packBatch } from "../outbox/batch.ts";
import type { Counts, OutboxRecord } from "../outbox/outbox.ts";
import { within } from "../runtime/within.ts";
import { type Delivery, type DeliveryStats, END_PORTION } from "./delivery.ts";
import { errorOf, type FromThread, type ToThread } from "./thread-messages.ts";

/** Records are handed over when there are so many octets of them, or so much time has passed since the first. */
const HANDOVER_OCTETS = 256 * 1024;
const HANDOVER_MS = 5;
/** Handed over, or waiting for it, and not yet taken: a thread that stands still gets no more than this. */
const MAX_OCTETS = 64 * 1024 * 1024;
/** The other thread has its own limit; this is for one that does not answer. */
const GRACE_MS = 3000;
/** One that has told its last counts gets so long to write what is left of its log: connections that nobody closes hold it. */
const LEAVE_MS = 100;

/** What was handed over in one message, or will be. */
interface HandedOver {
  readonly records: number;
  readonly octets: number;
  readonly lost: Counts;
}

const NO_STATS: DeliveryStats = {
  made: 0,
  acknowledged: 0,
  stored: 0,
  storedOctets: 0,
  oldestMs: 0,
  shed: {},
  sink: null,
};

/**
 * Outbox and sink on a thread of their own. What crosses is batches of encoded records; the packet path waits for
 * nothing. Bound: octets that the other thread has not taken; policy: new records are shed as `handover/CLASS`.
 */
export class ThreadDelivery implements Delivery {
  readonly portion = END_PORTION;
  readonly failure: Promise<unknown>;
  private readonly configuration: CollectorConfiguration;
  /** Null before `open`. */
  private worker: Worker | null = null;
  private stopped: Promise<void> = Promise.resolve();
  private fail: (error: unknown) => void = () => {};
  private gathered: OutboxRecord[] = [];
  private gatheredOctets = 0;
  private lost: Record<string, number> = {};
  private timer: NodeJS.Timeout | null = null;
  /** Bounded by MAX_OCTETS. */
  private underWay: HandedOver[] = [];
  private underWayOctets = 0;
  private taken = 0;
  private last: DeliveryStats = NO_STATS;

  constructor(configuration: CollectorConfiguration) {
    this.configuration = configuration;
    this.failure = new Promise((resolve) => {
      this.fail = resolve;
    });
  }

  open(): Promise<void> {
    // The bundle and the modules it is made of both have this file beside them.
    const worker = new Worker(new URL("./delivery-thread.js", import.meta.url), { workerData: this.configuration });
    this.worker = worker;
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const left = new Promise<void>((resolve) => {
      worker.on("message", ({ kind }: FromThread) => kind === "stopped" && setTimeout(resolve, LEAVE_MS));
    });
    this.stopped = Promise.race([exited, left]);
    void exited.then(() => this.fail(new Error("the thread of the delivery has ended")));
    return new Promise((resolve, reject) => {
      worker.on("message", (message: FromThread) => {
        if (message.kind === "opened") resolve();
        else if (message.kind !== "failed") this.account(message.taken, message.stats);
        else if (message.whileOpening) reject(errorOf(message.fault));
        else this.fail(errorOf(message.fault));
      });
      worker.on("error", (error) => {
        reject(error);
        this.fail(error);
      });
    });
  }

  append(records: readonly OutboxRecord[]): void {
    for (const record of records) {
      const octets = record.value.length;
      if (this.underWayOctets + this.gatheredOctets + octets > MAX_OCTETS) {
        const label = `handover/${record.recordClass}`;
        this.lost[label] = (this.lost[label] ?? 0) + 1;
        continue;
      }
      this.gathered.push(record);
      this.gatheredOctets += octets;
      if (this.gatheredOctets >= HANDOVER_OCTETS) this.handOver();
    }
    if (this.gathered.length > 0) this.timer ??= setTimeout(() => this.handOver(), HANDOVER_MS);
  }

  waiting(): number {
    return this.gathered.length + this.underWay.reduce((sum, { records }) => sum + records, 0);
  }

  /** As the other thread said last, and what it has not taken yet as stored. */
  stats(): DeliveryStats {
    const waiting = this.waiting();
    const shed = { ...this.last.shed };
    let lost = 0;
    for (const counts of [this.lost, ...this.underWay.map((one) => one.lost)]) {
      for (const [label, count] of Object.entries(counts)) {
        shed[label] = (shed[label] ?? 0) + count;
        lost += count;
      }
    }
    return {
      ...this.last,
      made: this.last.made + waiting + lost,
      stored: this.last.stored + waiting,
      storedOctets: this.last.storedOctets + this.underWayOctets + this.gatheredOctets,
      shed,
    };
  }

  logAt(level: string): void {
    this.say({ kind: "level", level });
  }

  async stop(limitMs: number): Promise<void> {
    this.handOver();
    this.say({ kind: "stop", limitMs });
    await within(this.stopped, limitMs + GRACE_MS);
    await this.worker?.terminate();
  }

  private handOver(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.worker === null) return;
    if (this.gathered.length === 0 && Object.keys(this.lost).length === 0) return;
    const batch = packBatch(this.gathered);
    const handed = { records: batch.records, octets: this.gatheredOctets, lost: this.lost };
    this.underWay.push(handed);
    this.underWayOctets += handed.octets;
    this.gathered = [];
    this.gatheredOctets = 0;
    this.lost = {};
    this.say({ kind: "batch", batch, lost: handed.lost });
  }

  private say(message: ToThread): void {
    const octets = message.kind === "batch" ? message.batch.parts.map((part) => part.octets.buffer) : [];
    this.worker?.postMessage(message, octets);
  }

  private account(taken: number, stats: DeliveryStats): void {
    for (const { octets } of this.underWay.splice(0, taken - this.taken)) this.underWayOctets -= octets;
    this.taken = taken;
    this.last = stats;
  }
}
