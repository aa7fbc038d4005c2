import type { CompressionTypes, Kafka, Message, Producer } from "kafkajs";
import type { Logger } from "pino";
import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";
import { persist } from "../persist.ts";
import { withAdmin } from "./admin.ts";
import { halves, messagesOf, type PartitionBatch } from "./batches.ts";
import { PRODUCER } from "./connection.ts";
import type { KafkaCounters } from "./counters.ts";
import { remedyFor } from "./errors.ts";
import { limited } from "./limited.ts";
import type { KafkaTopics } from "./topics.ts";

/** What the lanes of a sink share. */
export interface LaneContext {
  readonly kafka: Kafka;
  readonly topics: KafkaTopics;
  readonly compression: CompressionTypes;
  readonly counters: KafkaCounters;
  readonly log: Logger;
  /** A record that no broker takes. */
  refuse(record: OutboxRecord): void;
  /** What the log shall say of an error. */
  explain(error: unknown): unknown;
}

/** What became of a batch that was sent; it was not where a new producer had to be made first. */
type Answer = "taken" | "too large" | "new producer";

/**
 * One producer, and the partitions that are its own. Nothing acknowledged is lost, and nothing comes twice while this
 * process and its producer live, which kafkajs gives only so: an idempotent producer with one send under way; each send to
 * one partition, hence to one leader even when leaders move; a batch that is frozen and sent again, the same records under
 * the same numbers, until it is acknowledged.
 */
export class Lane {
  private readonly context: LaneContext;
  private producer: Producer | null = null;

  constructor(context: LaneContext) {
    this.context = context;
  }

  /** Connects the first producer, where it has none yet. Rejects with the error of kafkajs. */
  async open(): Promise<void> {
    this.producer ??= await this.connectProducer();
  }

  /**
   * Sends batches one after the other and notes what became of their records. Returns early where it has a new producer,
   * which starts its numbering anew and may have found other partitions: the rest is to be divided again.
   */
  async send(
    batches: readonly PartitionBatch[],
    outcomes: Map<OutboxRecord, Outcome>,
    signal: AbortSignal,
  ): Promise<void> {
    for (const batch of batches) if (!(await this.sendBatch(batch, outcomes, signal))) return;
  }

  async close(limitMs?: number): Promise<void> {
    const producer = this.producer;
    this.producer = null;
    if (producer !== null) await limited(producer.disconnect(), limitMs);
  }

  /** Sends a batch until every record has its outcome. False: it was given up, for a new producer or at the signal. */
  private async sendBatch(
    batch: PartitionBatch,
    outcomes: Map<OutboxRecord, Outcome>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { compression, counters, log, explain } = this.context;
    const messages = messagesOf(batch, compression);
    const startedMs = performance.now();
    let answer: Answer | null = null;
    await persist(
      `Kafka topic ${batch.topic}`,
      async () => {
        answer = await this.attempt(batch, messages).catch((error) => {
          throw explain(error);
        });
      },
      signal,
      log,
    );
    counters.sent(performance.now() - startedMs);
    // TypeScript does not see that the attempt assigns it.
    const said = answer as Answer | null;
    if (said === null || said === "new producer") return false;
    if (said === "taken") {
      for (const record of batch.records) outcomes.set(record, "acknowledged");
      return true;
    }
    const [only] = batch.records;
    if (batch.records.length === 1 && only !== undefined) {
      outcomes.set(only, "refused");
      this.context.refuse(only);
      return true;
    }
    // Refused whole, so none of it is in the log, and the halves may take its sequence numbers.
    const [first, second] = halves(batch);
    return (await this.sendBatch(first, outcomes, signal)) && (await this.sendBatch(second, outcomes, signal));
  }

  private async attempt(batch: PartitionBatch, messages: Message[]): Promise<Answer> {
    const { topic, partition } = batch;
    if (this.producer === null) {
      this.producer = await this.newProducer(topic);
      return "new producer";
    }
    try {
      const stored = await this.producer.send({ topic, acks: -1, compression: this.context.compression, messages });
      // kafkajs sends nothing and reports success where it finds no such partition (any more).
      if (stored.some((one) => one.partition === partition)) return "taken";
      await this.close();
      throw new Error(`partition ${partition} has gone`);
    } catch (error) {
      const remedy = remedyFor(error);
      if (remedy === "split") return "too large";
      this.context.counters.failed(error);
      if (remedy === "new-producer" || (remedy === "check-topics" && (await this.missingTopics()).length > 0)) {
        await this.close();
      }
      throw error;
    }
  }

  /** A producer after the first one. Rejects while `topic` is missing; somebody may make it again. */
  private async newProducer(topic: string): Promise<Producer> {
    if ((await this.missingTopics()).includes(topic)) throw new Error(`there is no topic ${topic} any more`);
    return this.connectProducer();
  }

  /** Which of the topics are not there (any more). */
  private missingTopics(): Promise<string[]> {
    return withAdmin(this.context.kafka, (admin) => this.context.topics.learn(admin));
  }

  private async connectProducer(): Promise<Producer> {
    const producer = this.context.kafka.producer(PRODUCER);
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      // It has connections by the time it is refused a number, and keeps them.
      await limited(producer.disconnect());
      throw error;
    }
  }
}
