import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOPICS } from "../../schema/topics.ts";
import { TestCluster } from "../support/kafka-cluster.ts";
import { TopicCount } from "./reconcile.ts";
import { Writer } from "./writer-process.ts";

/** A broker that is away while records come, and comes back while they go on coming. */
export interface OutagePlan {
  /** Records that come while it is away: as fast as the outbox takes them, so that an hour of them takes minutes. */
  readonly records: number;
  /** Bound of the outbox, MiB. */
  readonly diskMib: number;
  /** Records a second that go on coming while the outbox is emptied. */
  readonly ratePerS: number;
}

/** What came of it. */
export interface Outage {
  readonly made: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly shed: number;
  readonly distinct: number;
  readonly missing: number;
  readonly disorder: number;
  /** Octets in the outbox's directory before the broker came back. */
  readonly diskOctets: number;
  /** Records that were waiting then. */
  readonly waiting: number;
  /** Records acknowledged each second from the first that was until hardly any was waiting. */
  readonly drainedPerS: number;
}

/** Has records come while the broker is away, starts it, and counts. */
export async function outage({ records, diskMib, ratePerS }: OutagePlan): Promise<Outage> {
  const outbox = mkdtempSync(join(tmpdir(), "rejoin-outage-"));
  const kafka = await TestCluster.start(1);
  let writer: Writer | null = null;
  try {
    await kafka.createTopic(TOPICS.sessions, 3);
    await kafka.kill(0);
    writer = new Writer(kafka.address, outbox, "at-least-once", String(ratePerS), String(records), String(diskMib));
    const away = await writer.tells(({ made }) => made >= records);
    const diskOctets = octetsIn(outbox);
    await kafka.restart(0);
    const first = await writer.tells(({ acknowledged }) => acknowledged > 0);
    const startedMs = performance.now();
    const last = await writer.tells(({ stored }) => stored < ratePerS);
    const seconds = (performance.now() - startedMs) / 1000;
    const account = await writer.end();
    const topic = new TopicCount();
    await kafka.scan(TOPICS.sessions, "all", topic.take);
    const { made, acknowledged, stored, shed, distinct, missing, disorder } = topic.compare(account);
    return {
      ...{ made, acknowledged, stored, shed, distinct, missing, disorder },
      ...{ diskOctets, waiting: away.stored },
      drainedPerS: Math.round((last.acknowledged - first.acknowledged) / seconds),
    };
  } finally {
    await writer?.kill();
    await kafka.wipe();
    rmSync(outbox, { recursive: true, force: true });
  }
}

/** Of all files; they come and go. */
function octetsIn(directory: string): number {
  const sizes = readdirSync(directory).map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.size);
  return sizes.reduce<number>((sum, size = 0) => sum + size, 0);
}
