import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import kafkajs, { type Producer } from "kafkajs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encode, type Format } from "../../schema/encoding.ts";
import { headersOf, keyOf } from "../../schema/topics.ts";
import { kafkaMissing, TestKafka } from "../support/kafka.ts";
import { titled } from "../support/requirements.ts";

const REJOIN = fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url));
const example = JSON.parse(readFileSync(new URL("../../schema/examples/session-ended.json", import.meta.url), "utf8"));
/** The example as the n-th of many sessions. */
const numbered = (n: number) => ({ ...example, event: { ...example.event, id: `session-${n}` } });

/** `rejoin consume` with what it has printed so far. */
class Consumer {
  stdout = "";
  stderr = "";
  readonly child: ChildProcess;

  constructor(...args: readonly string[]) {
    this.child = spawn(process.execPath, [REJOIN, "consume", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
  }

  get ids(): string[] {
    return this.stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line).event.id]));
  }

  async until(condition: () => boolean): Promise<void> {
    const end = Date.now() + 60_000;
    while (!condition()) {
      if (Date.now() > end || this.child.exitCode !== null)
        throw new Error(`it never came: ${this.stdout} ${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async ended(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, "close");
    return this.child.exitCode;
  }
}

const reason = await kafkaMissing();

describe.skipIf(reason)(titled("rejoin consume --topic, against a real broker", reason), () => {
  let kafka: TestKafka;
  let producer: Producer;
  const started: Consumer[] = [];

  function consume(...args: readonly string[]): Consumer {
    const consumer = new Consumer("--brokers", kafka.address, ...args);
    started.push(consumer);
    return consumer;
  }

  async function publish(topic: string, from: number, to: number, format: Format, headers = true): Promise<void> {
    const messages = Array.from({ length: to - from }, (_, i) => {
      const record = numbered(from + i);
      const value = Buffer.from(encode(record, format));
      return { key: keyOf(record), value, headers: headers ? headersOf(record, format) : {} };
    });
    await producer.send({ topic, messages, acks: -1 });
  }

  beforeAll(async () => {
    kafka = await TestKafka.start();
    producer = new kafkajs.Kafka({
      brokers: [kafka.address],
      logLevel: kafkajs.logLevel.NOTHING,
    }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
  });

  afterAll(async () => {
    for (const { child } of started) child.kill("SIGKILL");
    await producer?.disconnect();
    await kafka?.wipe();
  });

  it("reads a whole topic in both encodings, with and without headers, and ends when it is idle", async () => {
    await kafka.createTopic("mixed", 3);
    await publish("mixed", 0, 10, "msgpack");
    await publish("mixed", 10, 20, "json");
    await publish("mixed", 20, 30, "msgpack", false);
    await publish("mixed", 30, 40, "json", false);
    const consumer = consume("--topic", "mixed", "--json", "--until-idle", "1000");
    expect(await consumer.ended()).toBe(0);
    expect(consumer.stderr).toBe("");
    // One key, so one partition and one order.
    expect(consumer.ids).toEqual(Array.from({ length: 40 }, (_, n) => `session-${n}`));
    expect(JSON.parse(consumer.stdout.split("\n")[0] ?? "")).toEqual(numbered(0));
  });

  it("follows until it is told to end", async () => {
    await kafka.createTopic("followed", 1);
    await publish("followed", 0, 3, "msgpack");
    const consumer = consume("--topic", "followed", "--json");
    await consumer.until(() => consumer.ids.length === 3);
    await publish("followed", 3, 5, "json");
    await consumer.until(() => consumer.ids.length === 5);
    consumer.child.kill("SIGINT");
    expect(await consumer.ended()).toBe(0);
    expect(consumer.stderr).toBe("");
  });

  it("goes on where its group stopped, record by record", async () => {
    await kafka.createTopic("grouped", 1);
    await publish("grouped", 0, 10, "msgpack");
    const group = ["--topic", "grouped", "--group", "siem", "--json"];
    const first = consume(...group, "--count", "4");
    expect(await first.ended()).toBe(0);
    const second = consume(...group, "--until-idle", "1000");
    expect(await second.ended()).toBe(0);
    expect([first.ids, second.ids]).toEqual([
      ["session-0", "session-1", "session-2", "session-3"],
      ["session-4", "session-5", "session-6", "session-7", "session-8", "session-9"],
    ]);
  });

  it("begins where it is told: at the beginning or at a time, with a group or without", async () => {
    await kafka.createTopic("begun", 3);
    await publish("begun", 0, 3, "msgpack");
    const between = new Date(Date.now() + 1).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await publish("begun", 3, 5, "json");
    const [all, late] = [Array.from({ length: 5 }, (_, n) => `session-${n}`), ["session-3", "session-4"]];
    const reader = (...args: string[]) => consume("--topic", "begun", "--json", "--until-idle", "1000", ...args);
    const read = async (...args: string[]) => {
      const consumer = reader(...args);
      expect([await consumer.ended(), consumer.stderr]).toEqual([0, ""]);
      return consumer.ids;
    };
    expect(await read("--from-time", between)).toEqual(late);
    expect(await read("--from-time", "1h")).toEqual(all);
    const future = new Date(Date.now() + 60_000).toISOString();
    const early = reader("--from-time", future);
    expect([await early.ended(), early.stderr]).toEqual([0, "rejoin: no record came from topic begun\n"]);
    expect(early.ids).toEqual([]);

    expect(await read("--group", "begin")).toEqual(all);
    expect(await read("--group", "begin")).toEqual([]);
    expect(await read("--group", "begin", "--from-time", between)).toEqual(late);
    expect(await read("--group", "begin", "--from-beginning")).toEqual(all);
    expect(await read("--group", "begin")).toEqual([]);
  });

  it("moves no group that somebody reads in", async () => {
    await kafka.createTopic("busy", 1);
    await publish("busy", 0, 1, "msgpack");
    const reader = consume("--topic", "busy", "--group", "at-work", "--json");
    await reader.until(() => reader.ids.length === 1);
    const second = consume("--topic", "busy", "--group", "at-work", "--from-beginning");
    expect(await second.ended()).toBe(2);
    expect(second.stderr).toMatch(/^rejoin: somebody reads as group at-work now, .*\n$/);
    reader.child.kill("SIGINT");
    expect(await reader.ended()).toBe(0);
  });

  it("shares a topic with the others of its group", async () => {
    await kafka.createTopic("shared", 2);
    const both = [1, 2].map(() => consume("--topic", "shared", "--group", "pair", "--json"));
    // Until both are members, one has both partitions.
    for (let n = 0; both.some(({ ids }) => ids.length === 0); n++) {
      if (n > 120) throw new Error(both.map(({ stderr, ids }) => `${ids} ${stderr}`).join("; "));
      const value = Buffer.from(encode(numbered(n), "msgpack"));
      const messages = [0, 1].map((partition) => ({ partition, value, headers: {} }));
      await producer.send({ topic: "shared", messages, acks: -1 });
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    for (const one of both) one.child.kill("SIGINT");
    for (const one of both) expect(await one.ended()).toBe(0);
  });

  it("names a message that is no record by its offset, counts it and goes on", async () => {
    await kafka.createTopic("broken", 1);
    await publish("broken", 0, 1, "msgpack");
    await producer.send({ topic: "broken", messages: [{ value: "hello" }, { value: null }] });
    await publish("broken", 1, 2, "msgpack");
    const consumer = consume("--topic", "broken", "--json", "--until-idle", "1000");
    expect(await consumer.ended()).toBe(1);
    expect(consumer.ids).toEqual(["session-0", "session-1"]);
    expect(consumer.stderr).toBe(
      [
        "rejoin: broken, partition 0, offset 1: neither JSON nor MessagePack",
        "rejoin: broken, partition 0, offset 2: a message without a value",
        "rejoin: 2 of 4 records could not be read",
        "",
      ].join("\n"),
    );
  });

  it("names the topics there are when the one asked for is missing", async () => {
    await kafka.createTopic("present", 1);
    const consumer = consume("--topic", "absent");
    expect(await consumer.ended()).toBe(2);
    expect(consumer.stderr).toMatch(/^rejoin: there is no topic absent at [\d.:]+; topics there: .*present.*\n$/);
  });

  it("ends on an idle topic that has nothing, and says so where no group asks for what is new", async () => {
    await kafka.createTopic("empty", 1);
    const consumer = consume("--topic", "empty", "--until-idle", "500");
    const again = consume("--topic", "empty", "--until-idle", "500", "--group", "siem");
    expect([await consumer.ended(), await again.ended()]).toEqual([0, 0]);
    expect([consumer.stdout, consumer.stderr]).toEqual(["", "rejoin: no record came from topic empty\n"]);
    expect(again.stdout + again.stderr).toBe("");
  });

  it("waits out a broker that goes away, and says so", async () => {
    await kafka.createTopic("outage", 1);
    await publish("outage", 0, 2, "msgpack");
    const consumer = consume("--topic", "outage", "--json");
    await consumer.until(() => consumer.ids.length === 2);
    await kafka.kill();
    await consumer.until(() => /Kafka does not answer .*; trying again/.test(consumer.stderr));
    await kafka.restart();
    await producer.disconnect();
    await producer.connect();
    await publish("outage", 2, 3, "msgpack");
    await consumer.until(() => consumer.ids.includes("session-2"));
    consumer.child.kill("SIGINT");
    expect(await consumer.ended()).toBe(0);
    // Nothing twice although no group remembers what was read, and one notice for the whole outage.
    expect(consumer.ids).toEqual(["session-0", "session-1", "session-2"]);
    expect(consumer.stderr.match(/\n/g)).toHaveLength(1);
  });
});
