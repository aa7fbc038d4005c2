import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import kafkajs, { type Admin, type IHeaders } from "kafkajs";
import { needs } from "./requirements.ts";

/** It is not built: `dist` has none. */
const SCRIPT = fileURLToPath(new URL("kafka/kafka.sh", import.meta.url)).replace("/dist/test/", "/test/");

const IDLE_MS = 3000;
/** Without a message for so long, a read has failed. */
const STALLED_MS = 120_000;
/** Of a record batch: behind offset, length, epoch of the leader, version and CRC. */
const ATTRIBUTES_AT = 21;

/** A message as it stands in the log. */
export interface LogMessage {
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Record<string, string>;
}

/**
 * Fetches the broker's jars where they are missing. Returns why no broker can be had here, such as `needs Java 17`;
 * undefined when one can. Call it before `describe.skipIf`.
 */
export async function kafkaMissing(): Promise<string | undefined> {
  const reason = needs("Java 17", "mvn");
  if (reason !== undefined) return reason;
  const output = await script("install", {});
  return output === null ? undefined : `the broker's jars cannot be had: ${output.trim().split("\n").at(-1)}`;
}

/** How a broker differs from the plain one. */
export interface BrokerOptions {
  /** Of clients and of the broker's own controller; free ones where they are left out. */
  readonly ports?: readonly [number, number];
  /** What clients are told to come to: the test has something there that forwards to the first of `ports`. */
  readonly proxyPort?: number;
  /** The broker's own, such as `min.insync.replicas`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Who may log in by SCRAM, `user=password`. */
  readonly user?: string;
}

/** One real broker on free ports of loopback, its data in a directory of its own. */
export class TestKafka {
  private readonly env: Record<string, string>;
  private readonly kafka: kafkajs.Kafka;
  readonly port: number;

  private constructor([port, controller]: readonly [number, number], options: BrokerOptions) {
    const { proxyPort: advertised = port, settings = {}, user } = options;
    this.port = port;
    this.env = {
      KAFKA_SETTINGS: Object.entries(settings)
        .map((setting) => setting.join("="))
        .join("\n"),
      ...(user === undefined ? {} : { KAFKA_USER: user }),
      KAFKA_DATA: mkdtempSync(join(tmpdir(), "rejoin-kafka-")),
      KAFKA_PORT: String(port),
      KAFKA_CONTROLLER: String(controller),
      KAFKA_ADVERTISED: String(advertised),
      KAFKA_OWNER: String(process.pid),
    };
    this.kafka = new kafkajs.Kafka({
      clientId: "test",
      brokers: [`127.0.0.1:${advertised}`],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 15, factor: 0.2, multiplier: 2 },
    });
  }

  /** Starts a broker. */
  static async start(options: BrokerOptions = {}): Promise<TestKafka> {
    const broker = new TestKafka(options.ports ?? [await freePort(), await freePort()], options);
    await broker.restart();
    return broker;
  }

  /** `host:port` that clients use. */
  get address(): string {
    return `127.0.0.1:${this.env.KAFKA_ADVERTISED}`;
  }

  /** Starts it again after `kill`; its data is what it was. */
  async restart(): Promise<void> {
    await this.must("start");
  }

  /** How the first batch of a topic's first partition is compressed in the log, by the protocol's number: 1 gzip, 4 zstd. */
  codecOf(topic: string): number {
    const batch = readFileSync(join(this.env.KAFKA_DATA ?? "", "log", `${topic}-0`, `${"0".repeat(20)}.log`));
    return batch.readUInt16BE(ATTRIBUTES_AT) & 7;
  }

  /** Has it run on this core alone. */
  pin(core: number): void {
    const pid = readFileSync(join(this.env.KAFKA_DATA ?? "", "pid"), "utf8").trim();
    execFileSync("taskset", ["-a", "-p", "-c", String(core), pid], { stdio: "ignore" });
  }

  /** A setting that holds from the next `restart` on. */
  set(name: string, value: string): void {
    this.env.KAFKA_SETTINGS += `\n${name}=${value}`;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.must("kill");
  }

  /** Ends it and deletes its data. */
  async wipe(): Promise<void> {
    await this.must("wipe");
    rmSync(this.env.KAFKA_DATA ?? "", { recursive: true, force: true });
  }

  /** Makes a topic; `settings` are the broker's, such as `max.message.bytes`. */
  async createTopic(topic: string, numPartitions: number, settings: Record<string, string> = {}): Promise<void> {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    await this.withAdmin(async (admin) => {
      // kafkajs's own wait for leaders fails where the broker does not know the topic yet.
      await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false });
      const end = Date.now() + 60_000;
      while (!(await hasLeaders(admin, topic))) {
        if (Date.now() > end) throw new Error(`${topic} has no leaders`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
  }

  /** A topic's partitions and settings, as the broker has them. */
  describeTopic(name: string): Promise<{ partitions: number; settings: Record<string, string> }> {
    return this.withAdmin(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
      const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name }];
      const { resources: described } = await admin.describeConfigs({ resources, includeSynonyms: false });
      const entries = described[0]?.configEntries ?? [];
      return {
        partitions: topics[0]?.partitions.length ?? 0,
        settings: Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])),
      };
    });
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.withAdmin((admin) => admin.deleteTopics({ topics: [topic] }));
  }

  /** Every message of a topic, each partition's in the order of the log. */
  async readAll(topic: string): Promise<LogMessage[]> {
    const messages: LogMessage[] = [];
    await this.scan(topic, "all", (message) => messages.push(message));
    return messages;
  }

  /** The same where records were written in transactions, of those that are committed. */
  async readCommitted(topic: string): Promise<LogMessage[]> {
    const messages: LogMessage[] = [];
    await this.scan(topic, "committed", (message) => messages.push(message));
    return messages;
  }

  /**
   * Shows every message of a topic, or every committed one, and keeps none. Marks of transactions have offsets, too, so
   * that of committed ones nothing but a while without a message tells the end.
   */
  async scan(topic: string, which: "all" | "committed", take: (message: LogMessage) => void): Promise<void> {
    const wanted = which === "all" ? await this.length(topic) : Number.POSITIVE_INFINITY;
    if (wanted === 0) return;
    const consumer = this.kafka.consumer({ groupId: `read-${topic}-${Math.random()}`, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    let seen = 0;
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => {
        clearTimeout(stalled);
        clearTimeout(idle);
        if (error === undefined) resolve();
        else reject(error);
      };
      const stalled = setTimeout(() => end(new Error(`read ${seen} of ${wanted}`)), STALLED_MS);
      let idle: NodeJS.Timeout | undefined;
      const eachMessage = async ({ partition, message }: kafkajs.EachMessagePayload) => {
        const { offset, key, value, headers } = message;
        take({ partition, offset, key: String(key), value: value ?? Buffer.alloc(0), headers: texts(headers) });
        seen += 1;
        stalled.refresh();
        if (wanted === Number.POSITIVE_INFINITY) {
          if (idle === undefined) idle = setTimeout(end, IDLE_MS);
          else idle.refresh();
        } else if (seen === wanted) {
          end();
        }
      };
      consumer.run({ eachMessage }).catch(end);
    }).finally(() => consumer.disconnect());
  }

  /** Messages that a topic has. A broker that is about to become a leader says for a moment that there is none. */
  private async length(topic: string): Promise<number> {
    for (let tries = 20; ; tries--) {
      try {
        const ends = await this.withAdmin((admin) => admin.fetchTopicOffsets(topic));
        return ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
      } catch (error) {
        if (tries === 0 || !(error instanceof kafkajs.KafkaJSProtocolError && error.retriable)) throw error;
        await sleep(500);
      }
    }
  }

  private async withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  private async must(verb: string): Promise<void> {
    const output = await script(verb, this.env);
    if (output !== null) throw new Error(`kafka.sh ${verb}: ${output}`);
  }
}

async function hasLeaders(admin: Admin, topic: string): Promise<boolean> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => ({ topics: [] }));
  return topics.some(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0));
}

/** A port of loopback that nobody had a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Runs a verb of kafka.sh; null when it ended well, else what it said. */
function script(verb: string, env: Record<string, string>): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(SCRIPT, [verb], { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    child.on("error", (error) => resolve(error.message));
    // Not "close": the broker lives on and may hold what it inherited.
    child.on("exit", (code) => resolve(code === 0 ? null : said || `exit status ${code}`));
  });
}

function texts(headers: IHeaders | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]));
}
