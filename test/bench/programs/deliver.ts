import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import kafkajs, { type Message } from "kafkajs";
import { outboxRecord } from "../../../collectors/delivery/outbox-record.ts";
import { ThreadDelivery } from "../../../collectors/delivery/thread-delivery.ts";
import type { OutboxRecord } from "../../../collectors/outbox/outbox.ts";
import { collectorConfiguration } from "../../../schema/configuration/collector.ts";
import type { AnyRecord } from "../../../schema/topics.ts";
import { Pipeline } from "../../../src/pipeline.ts";
import type { PacketVector } from "../../../src/vector.ts";
import {
  BATCH_RECORDS,
  type DeliveryTurn,
  KAFKA_TOPIC,
  type KafkaWorkload,
  PARTITIONS,
  type PathTurn,
  PRODUCERS,
} from "../kafka-workload.ts";
import { LiveSessions } from "../live/live-sessions.ts";
import { FeedingWindow } from "../live/window.ts";
import { Pieces } from "../pieces.ts";
import { Random } from "../random.ts";

const EXAMPLE = new URL("../../../../schema/examples/finding.json", import.meta.url);
const WARM_UP = 20_000;
/** Records that wait behind the appender: some batches of the sink. */
const AHEAD = 20_000;
const CHUNK = 64;
/** 2,000 sessions a second, in vectors most of which are full. */
const TICK_MS = 20;
const SESSIONS_PER_TICK = 40;
/** Sessions whose vectors are for the compiler, and turns behind them: with Kafka, and without. */
const PATH_WARM_UP = 4000;
const PATH_TURNS = 2;

const { way, broker, directory, count } = JSON.parse(process.argv[2] ?? "") as KafkaWorkload;
const example = JSON.parse(readFileSync(fileURLToPath(EXAMPLE), "utf8")) as AnyRecord;

/** The n-th record as the collector makes it, about 620 octets of MessagePack, of one of a thousand sessions. */
function recordOf(n: number): OutboxRecord {
  const { mptcp } = example as { mptcp?: { session?: object } };
  const id = `${(n % 1000).toString(16).padStart(8, "0")}0123456789abcdef`;
  const record = {
    ...example,
    event: { ...example.event, id: `${id}-${n}` },
    mptcp: { ...mptcp, session: { ...mptcp?.session, id } },
  } as AnyRecord;
  return { ...outboxRecord(record, "msgpack"), topic: KAFKA_TOPIC };
}

function newDelivery(): ThreadDelivery {
  return new ThreadDelivery(
    collectorConfiguration.parse({
      name: "bench",
      records: { agentsIntervalSeconds: 0 },
      sink: {
        kind: "kafka",
        kafka: {
          ...{ brokers: [broker], producers: PRODUCERS },
          delivery: way === "once" ? "exactly-once" : "at-least-once",
        },
      },
      outbox: { directory },
      log: { level: "silent" },
    }),
  );
}

/** The turns that somebody asks for. */
const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Does so many records' work each turn, of which the first is for the compiler. */
async function measured(work: (records: number) => Promise<{ octets: number; acknowledged: number }>): Promise<void> {
  let records = WARM_UP;
  for await (const _ of orders) {
    const startedMs = performance.now();
    const before = process.cpuUsage();
    const { octets, acknowledged } = await work(records);
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - startedMs) / 1000;
    print({ seconds, cpuSeconds: (user + system) / 1e6, octets, acknowledged } satisfies DeliveryTurn);
    records = count;
  }
}

async function throughOutbox(): Promise<void> {
  const delivery = newDelivery();
  await delivery.open();
  await measured(async (records) => {
    const already = delivery.stats().acknowledged;
    let octets = 0;
    for (let n = 0; n < records; ) {
      for (const end = Math.min(records, n + CHUNK); n < end; n++) {
        const record = recordOf(n);
        octets += record.value.length;
        delivery.append([record]);
      }
      await (delivery.stats().stored > AHEAD ? sleep(1) : new Promise(setImmediate));
    }
    while (delivery.stats().acknowledged - already < records) await sleep(1);
    return { octets, acknowledged: delivery.stats().acknowledged - already };
  });
  await delivery.stop(10_000);
}

/** As fast as the same settings let it: each producer has partitions of its own, and one batch under way. */
async function throughKafkajs(): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING });
  const producers = Array.from({ length: PRODUCERS }, () =>
    kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false }),
  );
  for (const producer of producers) await producer.connect();
  await measured(async (records) => {
    let octets = 0;
    let acknowledged = 0;
    let next = 0;
    const run = async (lane: number) => {
      const producer = producers[lane];
      for (let turn = 0; next < records && producer !== undefined; turn++) {
        const from = next;
        next = Math.min(records, next + BATCH_RECORDS);
        const partition = (lane + turn * PRODUCERS) % PARTITIONS;
        const messages: Message[] = [];
        for (let n = from; n < next; n++) {
          const { key, value, headers } = recordOf(n);
          octets += value.length;
          messages.push({ key, value: Buffer.from(value), headers: { ...headers }, partition });
        }
        const compression = kafkajs.CompressionTypes.GZIP;
        await producer.send({ topic: KAFKA_TOPIC, acks: -1, compression, messages });
        acknowledged += messages.length;
      }
    };
    await Promise.all(producers.map((_, lane) => run(lane)));
    return { octets, acknowledged };
  });
  for (const producer of producers) await producer.disconnect();
}

/** A pipeline whose full vectors are timed. */
class TimedPipeline extends Pipeline {
  micros: number[] = [];

  override process(vector: PacketVector): void {
    const isFull = vector.full;
    const startedMs = performance.now();
    super.process(vector);
    if (isFull) this.micros.push((performance.now() - startedMs) * 1000);
  }
}

async function alongPath(): Promise<void> {
  const delivery = newDelivery();
  await delivery.open();
  const random = new Random(1);
  const pipeline = new TimedPipeline({
    observer: { name: "bench", version: "0" },
    ...{ agents: null, partial: false, revisions: "all", digest: false, octets: null },
    record: (record) => delivery.append([outboxRecord(record as AnyRecord, "msgpack")]),
    bounds: { sessions: 2 ** 18, subflows: 2 ** 20 },
    hashSeed: 1,
  });
  const live = new LiveSessions({ sessions: PATH_WARM_UP + PATH_TURNS * count, subflows: null, holes: 0 }, random);
  const feeding = new FeedingWindow(pipeline, new Pieces(random));
  let session = 0;
  let upTo = PATH_WARM_UP;
  for await (const _ of orders) {
    pipeline.micros = [];
    for (let dueMs = performance.now(); session < upTo; dueMs += TICK_MS) {
      for (let i = 0; i < SESSIONS_PER_TICK && session < upTo; i++) live.setUp(session++, feeding);
      feeding.flush();
      await sleep(Math.max(0, dueMs + TICK_MS - performance.now()));
    }
    const sorted = pipeline.micros.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
    print({ medianMicros: at(0.5), p99Micros: at(0.99), vectors: sorted.length } satisfies PathTurn);
    upTo += count;
  }
}

function print(result: DeliveryTurn | PathTurn): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

await { outbox: throughOutbox, once: throughOutbox, kafkajs: throughKafkajs, path: alongPath }[way]();
process.exit();
