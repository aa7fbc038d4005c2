import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Pump } from "../../collectors/delivery/pump.ts";
import { recordChecks } from "../../collectors/doctor/record-checks.ts";
import { MemoryOutbox } from "../../collectors/outbox/memory.ts";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { registerZstd } from "../../collectors/sink/kafka/codecs.ts";
import { KafkaSink, type KafkaSinkOptions } from "../../collectors/sink/kafka/sink.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";
import { freePort, kafkaMissing, type LogMessage, TestKafka } from "../support/kafka.ts";
import { KafkaProxy } from "../support/kafka-proxy.ts";
import { titled } from "../support/requirements.ts";
import { REJOIN } from "./collect.ts";

const missing = await kafkaMissing();
const log = pino({ level: process.env.REJOIN_LOG ?? "silent" });
const never = new AbortController().signal;

const record = (topic: string, key: string, n: number, octets = 200): OutboxRecord => ({
  recordClass: "ended",
  topic,
  key,
  value: Buffer.from(JSON.stringify({ n, pad: "x".repeat(octets) })),
  headers: { "content-type": "application/json", ce_id: `${key}-${n}` },
});
const numberOf = (message: LogMessage): number => JSON.parse(message.value.toString()).n;

/** The numbers of each key in the order of the log. */
function byKey(messages: readonly LogMessage[]): Map<string, number[]> {
  const numbers = new Map<string, number[]>();
  for (const message of messages) numbers.set(message.key, [...(numbers.get(message.key) ?? []), numberOf(message)]);
  return numbers;
}

describe.skipIf(missing)(titled("Kafka sink, against a real broker", missing), () => {
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
    brokers: [kafka.address],
    clientId: "test",
    topics,
    optionalTopics: [],
    tls: null,
    sasl: null,
    creation: null,
    producers: 2,
    deadLetters: null,
    compression: "gzip",
    ...more,
  });

  const noZstd = registerZstd() ? undefined : "needs zstd in node:zlib, Node 22.15";
  describe.each([
    ["none", 0, undefined],
    ["gzip", 1, undefined],
    ["zstd", 4, noZstd],
  ] as const)("compression %s", (compression, codec, reason) => {
    const title = "keys, values, headers and times arrive as they were";
    test.skipIf(reason !== undefined)(titled(title, reason), async () => {
      const topic = `plain-${compression}`;
      await kafka.createTopic(topic, 3);
      const sink = new KafkaSink(options([topic], { compression }), log);
      await sink.open();
      const records = Array.from({ length: 1500 }, (_, n) => record(topic, `key ${n % 20}`, n));
      expect(new Set(await sink.send(records, never))).toEqual(new Set(["acknowledged"]));
      await sink.close();
      expect(kafka.codecOf(topic)).toBe(codec);
      const messages = await kafka.readAll(topic);
      expect(messages).toHaveLength(1500);
      for (const [key, numbers] of byKey(messages)) {
        expect(numbers).toEqual(records.filter((one) => one.key === key).map((_, i) => Number(key.slice(4)) + i * 20));
      }
      const first = messages.find((message) => numberOf(message) === 0);
      expect(first?.headers).toEqual({ "content-type": "application/json", ce_id: "key 0-0" });
      expect(new Set(messages.map(({ partition }) => partition)).size).toBe(3);
    });
  });

  test.skipIf(noZstd !== undefined)(titled("rejoin consume reads zstd", noZstd), async () => {
    await kafka.createTopic("consumed-zstd", 1);
    const sink = new KafkaSink(options(["consumed-zstd"], { compression: "zstd" }), log);
    await sink.open();
    expect(await sink.send([record("consumed-zstd", "key", 1)], never)).toEqual(["acknowledged"]);
    await sink.close();
    const args = ["consume", "--topic", "consumed-zstd", "--brokers", kafka.address, "--json", "--until-idle", "300"];
    // Not `execFileSync`: the proxy on its way is this process's.
    const stderr = await new Promise<string>((resolve) => {
      execFile(process.execPath, [REJOIN, ...args], (_error, _stdout, said) => resolve(said));
    });
    // It reads the message, which is no record.
    expect(stderr).toMatch(/offset 0: .*\n.*1 of 1 records could not be read/);
  });

  test("a broker killed again and again in mid-stream, its answers late: nothing lost, nothing twice, order kept", async () => {
    const topic = "killed";
    await kafka.createTopic(topic, 3);
    const sink = new KafkaSink(options([topic]), log);
    await sink.open();
    const outbox = new MemoryOutbox({ maxRecords: 1_000_000, maxOctets: 1e9 });
    const failures: unknown[] = [];
    const pump = new Pump(outbox, sink, (error) => failures.push(error));
    // An answer that is under way when the broker dies: the records are stored, and nobody knows.
    proxy.delayMs = 150;
    let n = 0;
    const feed = setInterval(() => {
      for (let i = 0; i < 50; i++) outbox.append([record(topic, `key ${n % 40}`, n++)]);
    }, 10);
    for (let kills = 0; kills < 4; kills++) {
      await sleep(700 + 130 * kills);
      await kafka.kill();
      await sleep(300);
      await kafka.restart();
    }
    await sleep(500);
    clearInterval(feed);
    proxy.delayMs = 0;
    await pump.stop(60_000);
    await sink.close();
    expect(failures).toEqual([]);
    expect(outbox.stats()).toMatchObject({ made: n, acknowledged: n, stored: 0, shed: {} });
    const numbers = byKey(await kafka.readAll(topic));
    for (let key = 0; key < 40; key++) {
      const expected = Array.from({ length: Math.ceil((n - key) / 40) }, (_, i) => key + i * 40);
      expect(numbers.get(`key ${key}`)).toEqual(expected);
    }
  });

  test("a topic that is not there is one clear line, and is not created", async () => {
    const sink = new KafkaSink(options(["nowhere"]), log);
    await expect(sink.open()).rejects.toMatchObject({
      code: "KAFKA_TOPIC_MISSING",
      message: expect.stringMatching(/has no topic nowhere; create it first: kafka-topics.sh .*--topic nowhere/),
    });
    await expect(sink.open()).rejects.toMatchObject({ code: "KAFKA_TOPIC_MISSING" });
  });

  test("several topics that are not there are one line too, with a command for each", async () => {
    await kafka.createTopic("somewhere", 1);
    const sink = new KafkaSink(options(["nowhere", "somewhere", "never"]), log);
    const create = (topic: string) =>
      `kafka-topics.sh --bootstrap-server ${kafka.address} --create --topic ${topic} --partitions 12`;
    await expect(sink.open()).rejects.toMatchObject({
      message: `Kafka at ${kafka.address} has no topics nowhere, never; create them first: ${create("nowhere")} && ${create("never")}`,
    });
  });

  test("topics are made on request, as they were asked for, and what is wrong with those that are there is told", async () => {
    await kafka.createTopic("compacted", 1, { "cleanup.policy": "compact", "max.message.bytes": "9000" });
    const said: string[] = [];
    const lines = pino({ level: "info" }, { write: (line: string) => void said.push(JSON.parse(line).msg) });
    const creation = { partitions: 5, replication: 1, retentionMs: 7_200_000 };
    const sink = new KafkaSink(options(["made", "compacted"], { creation }), lines);
    await sink.open();
    expect(await sink.send([record("made", "key", 1)], never)).toEqual(["acknowledged"]);
    await sink.close();
    expect(said).toEqual([
      `Kafka at ${kafka.address} has made the topics made`,
      "topic compacted: cleanup.policy compact deletes all but a session's newest record; set delete",
      "topic compacted: max.message.bytes 9000 refuses larger records; set 1048588 or more",
    ]);
    const made = await kafka.describeTopic("made");
    expect(made).toMatchObject({ partitions: 5, settings: { "retention.ms": "7200000", "cleanup.policy": "delete" } });
    const beyond = new KafkaSink(options(["unmade"], { creation: { ...creation, replication: 3 } }), log);
    await expect(beyond.open()).rejects.toMatchObject({
      code: "KAFKA_TOPIC_CREATION",
      message: expect.stringMatching(/does not make the topics unmade: .*; check sink.kafka.createTopics$/),
    });
  });

  test("no broker is one clear line, soon", async () => {
    const port = await freePort();
    const started = Date.now();
    const sink = new KafkaSink(options(["any"], { brokers: [`127.0.0.1:${port}`] }), log);
    await expect(sink.open()).rejects.toMatchObject({
      code: "KAFKA_UNREACHABLE",
      message: expect.stringContaining(`Kafka at 127.0.0.1:${port} cannot be reached`),
    });
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test("a record too large is refused alone; its neighbours arrive", async () => {
    const topic = "small";
    await kafka.createTopic(topic, 1, { "max.message.bytes": "4000" });
    const sink = new KafkaSink(options([topic], { compression: "none" }), log);
    await sink.open();
    const records = Array.from({ length: 40 }, (_, n) => record(topic, "key", n, n === 17 ? 5000 : 200));
    const outcomes = await sink.send(records, never);
    await sink.close();
    expect(outcomes.map((outcome, n) => (outcome === "refused" ? n : -1)).filter((n) => n >= 0)).toEqual([17]);
    const expected = Array.from({ length: 40 }, (_, n) => n).filter((n) => n !== 17);
    expect((await kafka.readAll(topic)).map(numberOf)).toEqual(expected);
  });

  test("a topic deleted and made again with fewer partitions: its records find a place, and other topics go on", async () => {
    await kafka.createTopic("stays", 1);
    await kafka.createTopic("goes", 8);
    const sink = new KafkaSink(options(["stays", "goes"]), log);
    await sink.open();
    const batch = (from: number) => [
      ...Array.from({ length: 10 }, (_, i) => record("goes", `key ${i}`, from + i)),
      record("stays", "key", from),
    ];
    await sink.send(batch(0), never);
    await kafka.deleteTopic("goes");
    // The broker takes records for a moment longer, into a log that it is about to delete.
    await sleep(500);
    const sending = sink.send(batch(10), never);
    await sleep(1000);
    await kafka.createTopic("goes", 1);
    expect(new Set(await sending)).toEqual(new Set(["acknowledged"]));
    await sink.close();
    const arrived = (await kafka.readAll("goes")).map(numberOf).sort((a, b) => a - b);
    expect(arrived).toEqual(Array.from({ length: 10 }, (_, i) => 10 + i));
    expect((await kafka.readAll("stays")).map(numberOf)).toEqual([0, 10]);
  });

  test("a topic deleted and made again under load: of each key all that came later is there, in order", async () => {
    await kafka.createTopic("reborn", 3);
    const sink = new KafkaSink(options(["reborn"]), log);
    await sink.open();
    const outbox = new MemoryOutbox({ maxRecords: 1_000_000, maxOctets: 1e9 });
    const failures: unknown[] = [];
    const pump = new Pump(outbox, sink, (error) => failures.push(error));
    let n = 0;
    const feed = setInterval(() => {
      for (let i = 0; i < 20; i++) outbox.append([record("reborn", `key ${n % 10}`, n++)]);
    }, 10);
    while (outbox.stats().acknowledged < 500) await sleep(20);
    await kafka.deleteTopic("reborn");
    await sleep(500);
    await kafka.createTopic("reborn", 3);
    // What was sent by now may have gone with it, and nothing else.
    const before = n;
    await sleep(500);
    clearInterval(feed);
    await pump.stop(60_000);
    await sink.close();
    expect(failures).toEqual([]);
    expect(outbox.stats()).toMatchObject({ made: n, acknowledged: n, stored: 0, shed: {} });
    const numbers = byKey(await kafka.readAll("reborn"));
    const there = [...numbers.values()].flat().length;
    expect(n - there).toBeLessThanOrEqual(before);
    expect(n - there).toBeGreaterThanOrEqual(500);
    for (const [key, seen] of numbers) {
      const all = Array.from(
        { length: Math.ceil((n - Number(key.slice(4))) / 10) },
        (_, i) => Number(key.slice(4)) + i * 10,
      );
      expect(seen).toEqual(all.slice(-seen.length));
    }
  });

  test("a topic that has gone, and to which nothing is sent any more, does not hold up another", async () => {
    await kafka.createTopic("lives", 1);
    await kafka.createTopic("dies", 1);
    const sink = new KafkaSink(options(["lives", "dies"]), log);
    await sink.open();
    await sink.send([record("lives", "k", 0), record("dies", "k", 0)], never);
    await kafka.deleteTopic("dies");
    // Connecting anew makes kafkajs ask for all topics that it has known.
    await kafka.kill();
    await kafka.restart();
    expect(await sink.send([record("lives", "k", 1)], never)).toEqual(["acknowledged"]);
    await sink.close();
    expect((await kafka.readAll("lives")).map(numberOf)).toEqual([0, 1]);
  });

  test("an outage that outlasts the patience: the records are unsent", async () => {
    await kafka.createTopic("outage", 1);
    const sink = new KafkaSink(options(["outage"]), log);
    await sink.open();
    await kafka.kill();
    const outbox = new MemoryOutbox({ maxRecords: 1000, maxOctets: 1e6 });
    const pump = new Pump(outbox, sink, () => {});
    outbox.append([record("outage", "k", 1)]);
    const started = Date.now();
    await pump.stop(1000);
    await sink.close();
    expect(Date.now() - started).toBeLessThan(8000);
    expect(outbox.stats()).toMatchObject({ acknowledged: 0, stored: 0, shed: { "abandoned/ended": 1 } });
    await kafka.restart();
  });

  test("a doctor tells brokers that answer, topics that are missing, and settings that lose records", async () => {
    const values = { anyAgent: true, sink: { kind: "kafka", kafka: { brokers: [kafka.address] } } };
    const [check] = recordChecks(collectorConfiguration.parse(values));
    await expect(check?.look()).rejects.toThrow(/has no topics rejoin\.sessions\.v1, rejoin\.agents\.v1; create them/);
    await kafka.createTopic("rejoin.sessions.v1", 1, { "cleanup.policy": "compact" });
    await kafka.createTopic("rejoin.agents.v1", 1);
    expect((await check?.look())?.map(({ level, text }) => `${level} ${text}`)).toEqual([
      `ok brokers answer at ${kafka.address}, and have rejoin.sessions.v1, rejoin.agents.v1`,
      expect.stringMatching(/^warn Kafka at .* has no topic rejoin\.findings\.v1/),
      expect.stringMatching(/^warn topic rejoin\.sessions\.v1: cleanup\.policy compact deletes/),
    ]);
  });
});
