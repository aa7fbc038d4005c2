import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveryStats } from "../../collectors/delivery/delivery.ts";
import { TOPICS } from "../../schema/topics.ts";
import type { LogMessage } from "../support/kafka.ts";
import { TestCluster } from "../support/kafka-cluster.ts";
import { CODES, type Fault } from "../support/kafka-proxy.ts";
import { SeenNumbers } from "./seen-numbers.ts";
import { Writer } from "./writer-process.ts";

/** What a reconciliation does. */
export interface ReconciliationPlan {
  readonly delivery: "at-least-once" | "exactly-once";
  /** With three, records are replicated and leaders move. */
  readonly brokers: 1 | 3;
  readonly kills: number;
  /** One kill in so many is a broker's, the others are the collector's. */
  readonly brokerEvery: number;
  readonly ratePerS: number;
  /** From 0 to 1, of the moments at which things are killed. */
  random(): number;
  progress?(line: string): void;
}

/** What came of it: made = acknowledged + stored + shed, and what stands in the topic. */
export interface Reconciliation {
  readonly delivery: string;
  readonly brokers: number;
  readonly collectorKills: number;
  readonly brokerKills: number;
  /** Times that all partitions were given other leaders. */
  readonly moves: number;
  readonly faults: number;
  readonly made: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly shed: number;
  /** Messages in the topic, and different ids among them. */
  readonly messages: number;
  readonly distinct: number;
  /** Made, and neither in the topic nor stored nor shed. */
  readonly missing: number;
  /** Messages whose first copy stands behind a later one of its key. */
  readonly disorder: number;
}

const FAULTS: readonly Fault[] = ["lose-answer", "cut-request", "cut-answer", { answer: CODES.NOT_LEADER }];

/** With several brokers, leaders move before one kill in so many. */
const MOVE_EVERY = 4;
/** Of several brokers one is given up after 3 s, and the others have its partitions. */
const DEAD_LONGER_MS = 6000;

/** Kills a collector's delivery and its brokers at random moments, with faults between the two, and counts. */
export async function reconcile(plan: ReconciliationPlan): Promise<Reconciliation> {
  const { delivery, brokers, kills, brokerEvery, ratePerS, random, progress = () => {} } = plan;
  const outbox = mkdtempSync(join(tmpdir(), "rejoin-reconcile-"));
  const any = (count: number) => Math.floor(random() * count);
  const kafka = await TestCluster.start(brokers);
  let writer: Writer | null = null;
  const done = { collectorKills: 0, brokerKills: 0, moves: 0 };
  try {
    await kafka.createTopic(TOPICS.sessions, 3);
    const start = () => new Writer(kafka.address, outbox, delivery, String(ratePerS));
    // An answer that is under way when something dies: the records are stored, and nobody knows.
    for (const proxy of kafka.proxies) proxy.delayMs = 40;
    writer = start();
    for (let kill = 1; kill <= kills; kill++) {
      await writer.tells();
      await sleep(random() * 600);
      const fault = FAULTS[any(FAULTS.length * 2)];
      if (fault !== undefined) kafka.proxies[any(brokers)]?.faults.push(fault);
      if (brokers > 1 && any(MOVE_EVERY) === 0) {
        await kafka.moveLeaders(TOPICS.sessions);
        done.moves += 1;
      }
      await sleep(random() * 300);
      if (kill % brokerEvery === 0) {
        const n = any(brokers);
        await kafka.kill(n);
        await sleep(random() * (brokers > 1 ? DEAD_LONGER_MS : 500));
        await kafka.restart(n);
        done.brokerKills += 1;
      } else {
        await writer.kill();
        writer = start();
        done.collectorKills += 1;
      }
      progress(`${kill} of ${kills} kills`);
    }
    for (const proxy of kafka.proxies) proxy.delayMs = 0;
    const stats = await writer.end();
    const topic = new TopicCount();
    await kafka.scan(TOPICS.sessions, delivery === "exactly-once" ? "committed" : "all", topic.take);
    const faults = kafka.proxies.reduce((sum, proxy) => sum + proxy.done, 0);
    return { ...topic.compare(stats), delivery, brokers, ...done, faults };
  } finally {
    await writer?.kill();
    await kafka.wipe();
    rmSync(outbox, { recursive: true, force: true });
  }
}

/** What stands in a topic, counted without keeping the messages: there may be more than memory has room for. */
export class TopicCount {
  private messages = 0;
  private readonly seen = new SeenNumbers();
  private readonly newest = new Map<string, number>();
  private disorder = 0;

  /** The next message of its partition. */
  readonly take = ({ key, value }: Pick<LogMessage, "key" | "value">): void => {
    const { n } = JSON.parse(value.toString()) as { n: number };
    this.messages += 1;
    if (!this.seen.add(n)) return;
    if (n < (this.newest.get(key) ?? -1)) this.disorder += 1;
    this.newest.set(key, n);
  };

  /** Holds it against an account. */
  compare(stats: DeliveryStats) {
    const { made, acknowledged, stored } = stats;
    const shed = Object.values(stats.shed).reduce((sum, count) => sum + count, 0);
    const distinct = this.seen.size;
    const missing = made - distinct - stored - shed;
    return { made, acknowledged, stored, shed, messages: this.messages, distinct, missing, disorder: this.disorder };
  }
}
