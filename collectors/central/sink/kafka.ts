import kafkajs, { type Admin, type KafkaConfig, type Message, type PartitionMetadata, type Producer } from "kafkajs";
import type { Logger } from "pino";
import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";
import { OperationalError } from "../../runtime/errors.ts";
import { remedyFor } from "./kafka-errors.ts";
import { persist } from "./persist.ts";
import type { Sink } from "./sink.ts";

const { CompressionTypes, Kafka, logLevel, Partitioners } = kafkajs;

/** How `KafkaSink` reaches its cluster. */
export interface KafkaSinkOptions {
  /** `host:port` of one or more brokers. */
  readonly brokers: readonly string[];
  /** Named to the brokers, for their logs and quotas. */
  readonly clientId: string;
  /** Topics that will be sent to; all must exist. */
  readonly topics: readonly string[];
  /** Topics whose records are refused, and counted so, where the topic does not exist. */
  readonly optionalTopics: readonly string[];
  readonly compression: "none" | "gzip";
}

/**
 * Records of one send. kafkajs copies its list once per message, so the cost grows with the square, and half a
 * megabyte stays below the 1 MB that brokers take by default.
 */
const MAX_SEND_RECORDS = 500;
const MAX_SEND_OCTETS = 524_288;

/**
 * kafkajs gives up an attempt after 11 to 24 s of an outage; `persist` goes on from there. Every value is stated
 * because kafkajs takes others when NODE_ENV is `test`.
 */
const RETRY = { initialRetryTime: 200, maxRetryTime: 2000, retries: 8, factor: 0.2, multiplier: 2 };
/** When the collector starts, a wrong address must show soon. */
const START_RETRY = { ...RETRY, retries: 2 };
const CONNECT_TIMEOUT_MS = 3000;
/** Longer than the 30 s that a broker may wait for its replicas. */
const REQUEST_TIMEOUT_MS = 35_000;
const CLOSE_LIMIT_MS = 3000;

/** Records of one partition, settled together. */
type Batch = { readonly topic: string; readonly partition: number; readonly records: OutboxRecord[] };

/**
 * Publishes to Kafka. Nothing acknowledged is lost and nothing comes twice while this process lives, which kafkajs
 * gives only so: an idempotent producer with one send under way; each send to one partition, hence to one leader
 * even when leaders move; a batch that is frozen and sent again, the same, until it is acknowledged.
 */
export class KafkaSink implements Sink {
  private readonly options: KafkaSinkOptions;
  private readonly log: Logger;
  private readonly kafka: kafkajs.Kafka;
  private readonly startingKafka: kafkajs.Kafka;
  private readonly choose = Partitioners.DefaultPartitioner();
  /** Of every topic in the options that exists: bounded by those lists. */
  private readonly partitions = new Map<string, PartitionMetadata[]>();
  private producer: Producer | null = null;

  constructor(options: KafkaSinkOptions, log: Logger) {
    this.options = options;
    this.log = log;
    const settings: KafkaConfig = {
      clientId: options.clientId,
      brokers: [...options.brokers],
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      // What matters is logged here, once; kafkajs would log each of its attempts.
      logLevel: logLevel.NOTHING,
    };
    this.kafka = new Kafka({ ...settings, retry: RETRY });
    this.startingKafka = new Kafka({ ...settings, retry: START_RETRY });
  }

  async open(): Promise<void> {
    const admin = this.startingKafka.admin();
    const where = this.options.brokers.join(", ");
    try {
      await admin.connect();
    } catch (error) {
      throw new OperationalError(
        "KAFKA_UNREACHABLE",
        `Kafka at ${where} cannot be reached: ${text(error)}; check --brokers and that a broker is running there`,
        { retriable: true, cause: error },
      );
    }
    try {
      const absent = await this.learnTopics(admin);
      const missing = absent.filter((topic) => this.options.topics.includes(topic));
      for (const topic of absent.filter((topic) => !missing.includes(topic))) {
        this.log.warn(`Kafka at ${where} has no topic ${topic}: its records are refused until it is there at a start`);
      }
      if (missing.length > 0) {
        const [topics, them] = missing.length === 1 ? ["topic", "it"] : ["topics", "them"];
        const create = missing.map(
          (topic) =>
            `kafka-topics.sh --bootstrap-server ${this.options.brokers[0]} --create --topic ${topic} --partitions 12`,
        );
        throw new OperationalError(
          "KAFKA_TOPIC_MISSING",
          `Kafka at ${where} has no ${topics} ${missing.join(", ")}; create ${them} first: ${create.join(" && ")}`,
        );
      }
    } finally {
      await limited(admin.disconnect());
    }
    try {
      this.producer = await this.connectProducer();
    } catch (error) {
      throw new OperationalError("KAFKA_PRODUCER", `Kafka at ${where} takes no producer: ${text(error)}`, {
        retriable: true,
        cause: error,
      });
    }
  }

  async send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]> {
    const outcomes = new Map<OutboxRecord, Outcome>();
    for (const record of records) {
      const isAbsent = !this.partitions.has(record.topic) && this.options.optionalTopics.includes(record.topic);
      if (isAbsent) outcomes.set(record, "refused");
    }
    let rest = records.filter((record) => !outcomes.has(record));
    while (rest.length > 0 && !signal.aborted) {
      for (const batch of this.batches(rest)) {
        // A new producer starts its numbering anew, and may have found other partitions: the rest is divided again.
        if (!(await this.sendBatch(batch, outcomes, signal))) break;
      }
      rest = rest.filter((record) => !outcomes.has(record));
    }
    return records.map((record) => outcomes.get(record) ?? "unsent");
  }

  async close(): Promise<void> {
    const producer = this.producer;
    this.producer = null;
    if (producer !== null) await limited(producer.disconnect());
  }

  private batches(records: readonly OutboxRecord[]): Batch[] {
    const batches: Batch[] = [];
    const open = new Map<string, { batch: Batch; octets: number }>();
    for (const record of records) {
      const { topic, key, value } = record;
      const partitionMetadata = this.partitions.get(topic);
      if (partitionMetadata === undefined) throw new Error(`kafka sink: ${topic} is not among its topics`);
      const partition = this.choose({ topic, partitionMetadata, message: { key, value: null } });
      const name = `${topic}/${partition}`;
      let entry = open.get(name);
      if (
        entry === undefined ||
        entry.batch.records.length >= MAX_SEND_RECORDS ||
        entry.octets + value.length > MAX_SEND_OCTETS
      ) {
        entry = { batch: { topic, partition, records: [] }, octets: 0 };
        open.set(name, entry);
        batches.push(entry.batch);
      }
      entry.batch.records.push(record);
      entry.octets += value.length;
    }
    return batches;
  }

  /** Sends a batch until every record has its outcome. False: it was given up, for a new producer or at the signal. */
  private async sendBatch(batch: Batch, outcomes: Map<OutboxRecord, Outcome>, signal: AbortSignal): Promise<boolean> {
    // Part of what is frozen. Not the records' own time: a broker forgets, when it restarts, every producer whose last
    // message is a day old by its timestamp, and takes the batch that it is sent again as a new one.
    const timestamp = String(Date.now());
    const messages: Message[] = batch.records.map(({ key, value, headers }) => ({
      key,
      value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
      headers: { ...headers },
      partition: batch.partition,
      timestamp,
    }));
    const compression = this.options.compression === "gzip" ? CompressionTypes.GZIP : CompressionTypes.None;
    let answer: "taken" | "too large" | "new producer" = "taken";
    const answered = await persist(
      `Kafka topic ${batch.topic}`,
      async () => {
        if (this.producer === null) {
          this.producer = await this.newProducer(batch.topic);
          answer = "new producer";
          return;
        }
        try {
          const stored = await this.producer.send({ topic: batch.topic, acks: -1, compression, messages });
          // kafkajs sends nothing and reports success where it finds no such partition (any more).
          if (!stored.some(({ partition }) => partition === batch.partition)) {
            await this.close();
            throw new Error(`partition ${batch.partition} has gone`);
          }
        } catch (error) {
          const remedy = remedyFor(error);
          if (remedy === "split") {
            answer = "too large";
            return;
          }
          if (remedy === "new-producer" || (remedy === "check-topics" && (await this.missingTopics()).length > 0))
            await this.close();
          throw error;
        }
      },
      signal,
      this.log,
    );
    // TypeScript does not see that the attempt assigns it.
    const said = answer as "taken" | "too large" | "new producer";
    if (!answered || said === "new producer") return false;
    if (said === "taken") {
      for (const record of batch.records) outcomes.set(record, "acknowledged");
      return true;
    }
    if (batch.records.length === 1) {
      this.refuse(batch, outcomes);
      return true;
    }
    // Refused whole, so none of it is in the log, and the halves may take its sequence numbers.
    const half = batch.records.length >> 1;
    return (
      (await this.sendBatch({ ...batch, records: batch.records.slice(0, half) }, outcomes, signal)) &&
      (await this.sendBatch({ ...batch, records: batch.records.slice(half) }, outcomes, signal))
    );
  }

  private refuse(batch: Batch, outcomes: Map<OutboxRecord, Outcome>): void {
    for (const record of batch.records) {
      outcomes.set(record, "refused");
      this.log.error(
        { topic: record.topic, key: record.key, octets: record.value.length },
        "Kafka takes no record of this size: raise max.message.bytes of the topic",
      );
    }
  }

  /** A producer after the first one. Rejects while `topic` is missing; somebody may make it again. */
  private async newProducer(topic: string): Promise<Producer> {
    if ((await this.missingTopics()).includes(topic)) throw new Error(`there is no topic ${topic} any more`);
    return this.connectProducer();
  }

  /** Which of the topics are not there (any more). */
  private async missingTopics(): Promise<string[]> {
    const admin = this.kafka.admin();
    try {
      await admin.connect();
      return await this.learnTopics(admin);
    } finally {
      await limited(admin.disconnect());
    }
  }

  /** Learns the partitions of the topics that are there and returns the others. To ask for one might create it. */
  private async learnTopics(admin: Admin): Promise<string[]> {
    const present = new Set(await admin.listTopics());
    const all = [...this.options.topics, ...this.options.optionalTopics];
    const { topics } = await admin.fetchTopicMetadata({ topics: all.filter((name) => present.has(name)) });
    for (const { name, partitions } of topics) this.partitions.set(name, partitions);
    return all.filter((name) => !present.has(name));
  }

  private async connectProducer(): Promise<Producer> {
    const producer = this.kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: RETRY,
    });
    await producer.connect();
    return producer;
  }
}

/** Waits for a farewell, but not for long: during an outage kafkajs would go on trying. */
async function limited(farewell: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_LIMIT_MS);
  });
  await Promise.race([farewell.catch(() => {}), limit]);
  clearTimeout(timer);
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
