import type { Producer, Transaction } from "kafkajs";
import type { Logger } from "pino";
import { TOPICS } from "../../../schema/topics.ts";
import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";
import { OperationalError } from "../../runtime/errors.ts";
import { persist } from "../persist.ts";
import type { Sink, SinkStats } from "../sink.ts";
import { accessError } from "./access-error.ts";
import { withAdmin } from "./admin.ts";
import { divide, halves, messagesOf, type PartitionBatch } from "./batches.ts";
import { PRODUCER } from "./connection.ts";
import { isFenced, remedyFor } from "./errors.ts";
import type { LaneContext } from "./lane.ts";
import { limited } from "./limited.ts";
import { type KafkaSinkOptions, kafkaParts } from "./sink.ts";

/** A transaction that takes longer is ended by the broker, which looks like fencing. */
const TRANSACTION_MS = 60_000;

/**
 * Publishes to Kafka, exactly once for consumers that read what is committed. Each transaction carries a batch and the
 * outbox's position behind it, as an offset of a consumer group of the outbox's id. After any trouble a new producer
 * ends what the old one left, and the position that Kafka has then says whether the batch is there. A collector whose
 * outbox another one has taken over is fenced, and ends.
 */
export class ExactlyOnceSink implements Sink {
  private readonly options: KafkaSinkOptions;
  private readonly context: LaneContext;
  private readonly openTopics: () => Promise<void>;
  private outboxId = "";
  private producer: Producer | null = null;
  private transaction: Transaction | null = null;
  private begunMs = 0;

  constructor(options: KafkaSinkOptions, log: Logger) {
    this.options = options;
    const { context, openTopics } = kafkaParts(options, log);
    this.context = context;
    this.openTopics = openTopics;
  }

  open(): Promise<void> {
    return this.openTopics();
  }

  async committed(outboxId: string): Promise<number | null> {
    this.outboxId = outboxId;
    try {
      await this.begin();
      return await this.position();
    } catch (error) {
      await this.release();
      throw accessError(error, this.options);
    }
  }

  async send(records: readonly OutboxRecord[], signal: AbortSignal, position: number): Promise<Outcome[]> {
    const { topics, counters, log } = this.context;
    const refused = new Set(records.filter(({ topic }) => topics.isRefused(topic)));
    const startedMs = performance.now();
    const isDone = await persist(
      "Kafka",
      async () => {
        try {
          if (this.producer === null) {
            await this.begin();
            if (((await this.position()) ?? 0) >= position) return;
            await this.learnTopics();
          }
          await this.attempt(
            records.filter((record) => !refused.has(record)),
            refused,
            position,
          );
        } catch (error) {
          counters.failed(error);
          const isLate = performance.now() - this.begunMs > TRANSACTION_MS / 2;
          await this.release();
          throw isFenced(error) && !isLate ? FENCED : this.context.explain(error);
        }
      },
      signal,
      log,
    );
    counters.sent(performance.now() - startedMs);
    return records.map((record) => (refused.has(record) ? "refused" : isDone ? "acknowledged" : "unsent"));
  }

  stats(): SinkStats {
    return this.context.counters.stats();
  }

  async close(limitMs?: number): Promise<void> {
    await this.release(limitMs);
    await this.options.deadLetters?.close();
  }

  private async release(limitMs?: number): Promise<void> {
    const producer = this.producer;
    this.producer = null;
    this.transaction = null;
    if (producer !== null) await limited(producer.disconnect(), limitMs);
  }

  private async attempt(records: readonly OutboxRecord[], refused: Set<OutboxRecord>, position: number): Promise<void> {
    this.transaction ??= (await this.producer?.transaction()) ?? null;
    this.begunMs = performance.now();
    if (this.transaction === null) throw new Error("there is no producer");
    for (const batch of divide(records, this.context.topics.partitions)) {
      await this.sendBatch(this.transaction, batch, refused);
    }
    const partitions = [{ partition: 0, offset: String(position) }];
    await this.transaction.sendOffsets({
      consumerGroupId: this.group,
      topics: [{ topic: TOPICS.sessions, partitions }],
    });
    await this.transaction.commit();
    this.transaction = null;
  }

  private async sendBatch(transaction: Transaction, batch: PartitionBatch, refused: Set<OutboxRecord>): Promise<void> {
    const { compression } = this.context;
    const { topic, partition } = batch;
    try {
      const stored = await transaction.send({ topic, acks: -1, compression, messages: messagesOf(batch, compression) });
      // kafkajs sends nothing and reports success where it finds no such partition (any more).
      if (!stored.some((one) => one.partition === partition))
        throw new Error(`${topic}: partition ${partition} has gone`);
    } catch (error) {
      if (remedyFor(error) !== "split") throw error;
      const [only] = batch.records;
      if (batch.records.length === 1 && only !== undefined) {
        refused.add(only);
        this.context.refuse(only);
        return;
      }
      for (const half of halves(batch)) await this.sendBatch(transaction, half, refused);
    }
  }

  /** A new producer ends the transaction that one of its name has left open, and fences that one. */
  private async begin(): Promise<void> {
    const producer = this.context.kafka.producer({
      ...PRODUCER,
      transactionalId: `rejoin-${this.outboxId}`,
      transactionTimeout: TRANSACTION_MS,
    });
    // Whoever calls releases it where it does not connect; it may have connections by then.
    this.producer = producer;
    await producer.connect();
    this.transaction = await producer.transaction();
  }

  /** Where the outbox is, as Kafka has it; null: nothing of this outbox was ever committed there. */
  private position(): Promise<number | null> {
    return withAdmin(this.context.kafka, async (admin) => {
      const [found] = await admin.fetchOffsets({ groupId: this.group, topics: [TOPICS.sessions] });
      const offset = Number(found?.partitions.find(({ partition }) => partition === 0)?.offset ?? -1);
      return offset < 0 ? null : offset;
    });
  }

  /** Topics that were deleted and made again may have other partitions. */
  private async learnTopics(): Promise<void> {
    await withAdmin(this.context.kafka, (admin) => this.context.topics.learn(admin));
  }

  private get group(): string {
    return `rejoin-outbox-${this.outboxId}`;
  }
}

const FENCED = new OperationalError(
  "KAFKA_FENCED",
  "another collector has taken over this outbox's place at Kafka, and delivers from a copy of it; this one ends",
);
