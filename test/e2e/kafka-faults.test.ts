import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { DeadLetters } from "../../collectors/sink/dead-letters.ts";
import { ExactlyOnceSink } from "../../collectors/sink/kafka/exactly-once.ts";
import { KafkaSink, type KafkaSinkOptions } from "../../collectors/sink/kafka/sink.ts";
import { freePort, kafkaMissing, type LogMessage, TestKafka } from "../support/kafka.ts";
import { CODES, type Fault, KafkaProxy } from "../support/kafka-proxy.ts";
import { titled } from "../support/requirements.ts";

const missing = await kafkaMissing();
const log = pino({ level: process.env.REJOIN_LOG ?? "silent" });
const never = new AbortController().signal;

const FAULTS: readonly (readonly [string, Fault])[] = [
  ["an answer that never comes", "lose-answer"],
  ["a request cut in the middle", "cut-request"],
  ["an answer cut in the middle", "cut-answer"],
  ["NOT_LEADER", { answer: CODES.NOT_LEADER }],
  ["NOT_ENOUGH_REPLICAS", { answer: CODES.NOT_ENOUGH_REPLICAS }],
  ["THROTTLING_QUOTA_EXCEEDED", { answer: CODES.THROTTLED }],
  ["MESSAGE_TOO_LARGE", { answer: CODES.MESSAGE_TOO_LARGE }],
];

/** Records as messages of kafkajs's own, and in one that carries them. */
const COMPRESSIONS = ["none", "gzip"] as const;

const record = (topic: string, n: number, octets = 100): OutboxRecord => ({
  recordClass: "ended",
  topic,
  key: `key ${n % 7}`,
  value: Buffer.from(JSON.stringify({ n, pad: "x".repeat(octets) })),
  headers: { ce_id: `id ${n}` },
});
const numberOf = ({ value }: LogMessage): number => JSON.parse(value.toString()).n;

/** Each record once, and those of a key in their order. */
function expectOnceInOrder(messages: readonly LogMessage[], count: number): void {
  expect(messages.map(numberOf).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, n) => n));
  const last = new Map<string, number>();
  for (const message of messages) {
    expect(numberOf(message)).toBeGreaterThan(last.get(message.key) ?? -1);
    last.set(message.key, numberOf(message));
  }
}

describe.skipIf(missing)(titled("Kafka sinks, with faults between them and a real broker", missing), () => {
  let kafka: TestKafka;
  let proxy: KafkaProxy;
  beforeAll(async () => {
    const proxyPort = await freePort();
    proxy = new KafkaProxy(proxyPort, () => kafka.port);
    kafka = await TestKafka.start({ proxyPort });
  });
  afterAll(async () => {
    proxy.close();
    await kafka?.wipe();
  });

  const options = (topics: string[], more: Partial<KafkaSinkOptions> = {}): KafkaSinkOptions => ({
    ...{ brokers: [kafka.address], clientId: "test", tls: null, sasl: null },
    ...{ topics, optionalTopics: [], creation: null },
    ...{ compression: "none", producers: 2, deadLetters: null },
    ...more,
  });

  test.each(COMPRESSIONS.flatMap((compression) => FAULTS.map(([name, fault]) => [name, compression, fault] as const)))(
    "at least once: after %s each record is there once, in order (%s)",
    async (name, compression, fault) => {
      const topic = `${name.replaceAll(" ", "-")}-${compression}`;
      await kafka.createTopic(topic, 3);
      const sink = new KafkaSink(options([topic], { compression }), log);
      await sink.open();
      const before = proxy.done;
      for (let from = 0; from < 300; from += 100) {
        proxy.faults.push(fault, fault);
        const records = Array.from({ length: 100 }, (_, i) => record(topic, from + i));
        expect(new Set(await sink.send(records, never))).toEqual(new Set(["acknowledged"]));
      }
      expect(proxy.done - before).toBe(6);
      await sink.close();
      expectOnceInOrder(await kafka.readAll(topic), 300);
    },
  );

  test("a record that no broker takes is a dead letter, whole", async () => {
    const directory = mkdtempSync(join(tmpdir(), "rejoin-dead-"));
    await kafka.createTopic("tight", 1, { "max.message.bytes": "4000" });
    const sink = new KafkaSink(options(["tight"], { deadLetters: new DeadLetters(directory, null, log) }), log);
    await sink.open();
    const large = record("tight", 1, 5000);
    expect(await sink.send([record("tight", 0), large, record("tight", 2)], never)).toEqual([
      "acknowledged",
      "refused",
      "acknowledged",
    ]);
    await sink.close();
    const letter = JSON.parse(readFileSync(join(directory, "dead-letters.jsonl"), "utf8"));
    expect(letter).toEqual({
      ...{ topic: "tight", key: large.key, headers: large.headers },
      value: Buffer.from(large.value).toString("base64"),
    });
    rmSync(directory, { recursive: true });
  });

  describe("exactly once", () => {
    const TOPIC = "rejoin.sessions.v1";
    beforeAll(() => kafka.createTopic(TOPIC, 3));
    const start = async (
      outbox: string,
      compression: (typeof COMPRESSIONS)[number] = "gzip",
    ): Promise<{ sink: ExactlyOnceSink; position: number | null }> => {
      const sink = new ExactlyOnceSink(options([TOPIC], { compression }), log);
      await sink.open();
      return { sink, position: await sink.committed(outbox) };
    };

    test("through every fault, and through the end of the collector before its answer: once, in order", async () => {
      let { sink, position } = await start("a");
      expect(position).toBeNull();
      let n = 0;
      for (const compression of COMPRESSIONS) {
        for (const [, fault] of FAULTS) {
          proxy.faults.push(fault);
          const records = Array.from({ length: 50 }, (_, i) => record(TOPIC, n + i));
          expect(new Set(await sink.send(records, never, n + 50))).toEqual(new Set(["acknowledged"]));
          n += 50;
          // As after kill -9: a new process knows what Kafka remembers, and nothing else.
          ({ sink, position } = await start("a", compression));
          expect(position).toBe(n);
        }
      }
      await sink.close();
      expectOnceInOrder(await kafka.readCommitted(TOPIC), n);
    });

    test("a topic deleted and made again with fewer partitions: its records find a place", async () => {
      await kafka.createTopic("shrinks", 8);
      const sink = new ExactlyOnceSink(options([TOPIC, "shrinks"], { compression: "gzip" }), log);
      await sink.open();
      await sink.committed("c");
      const batch = (from: number) => Array.from({ length: 14 }, (_, i) => record("shrinks", from + i));
      await sink.send(batch(0), never, 14);
      await kafka.deleteTopic("shrinks");
      // The broker takes records for a moment longer, into a log that it is about to delete.
      await sleep(500);
      const sending = sink.send(batch(14), never, 28);
      await sleep(1000);
      await kafka.createTopic("shrinks", 1);
      expect(new Set(await sending)).toEqual(new Set(["acknowledged"]));
      await sink.close();
      expect((await kafka.readCommitted("shrinks")).map(numberOf)).toEqual(batch(14).map((_, i) => 14 + i));
    });

    test("a collector that comes back when another has its place is told to end, and stores nothing", async () => {
      const { sink: old } = await start("b");
      await old.send([record(TOPIC, 10_000)], never, 1);
      const { sink: young, position } = await start("b");
      expect(position).toBe(1);
      await expect(old.send([record(TOPIC, 10_001)], never, 2)).rejects.toMatchObject({ code: "KAFKA_FENCED" });
      await young.send([record(TOPIC, 10_002)], never, 2);
      await young.close();
      await old.close();
      const numbers = (await kafka.readCommitted(TOPIC)).map(numberOf).filter((n) => n >= 10_000);
      expect(numbers.sort()).toEqual([10_000, 10_002]);
    });
  });
});
