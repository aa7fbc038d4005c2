import type { Logger } from "pino";
import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";
import type { DeadLetters } from "../dead-letters.ts";
import type { Sink, SinkStats } from "../sink.ts";
import { accessError, explained } from "./access-error.ts";
import { withAdmin } from "./admin.ts";
import { divide, type PartitionBatch } from "./batches.ts";
import { type Compression, codecOf } from "./codecs.ts";
import { type KafkaAccess, kafkaClients } from "./connection.ts";
import { KafkaCounters } from "./counters.ts";
import { Lane, type LaneContext } from "./lane.ts";
import { KafkaTopics, type TopicChoice } from "./topics.ts";

/** How a Kafka sink reaches its cluster, and what it does there. */
export interface KafkaSinkOptions extends KafkaAccess, TopicChoice {
  readonly compression: Compression;
  /** Producers, each with partitions of its own. */
  readonly producers: number;
  /** Where a record goes that no broker takes; null: nowhere, it is counted and logged. */
  readonly deadLetters: DeadLetters | null;
}

/** What both ways of delivery begin with: clients, counters, and the topics that `openTopics` has looked at. */
export function kafkaParts(options: KafkaSinkOptions, log: Logger) {
  const counters = new KafkaCounters();
  const { kafka, startingKafka } = kafkaClients(options, counters, log);
  const topics = new KafkaTopics(options, options.brokers.join(", "), log);
  const refuse = (record: OutboxRecord): void => {
    log.error(
      { topic: record.topic, key: record.key, octets: record.value.length },
      "Kafka takes no record of this size: raise max.message.bytes of the topic",
    );
    options.deadLetters?.add(record);
  };
  const openTopics = async (): Promise<void> => {
    try {
      await withAdmin(startingKafka, (admin) => topics.open(admin));
    } catch (error) {
      throw accessError(error, options);
    }
  };
  const explain = (error: unknown) => explained(error, options);
  const compression = codecOf(options.compression);
  const context: LaneContext = { kafka, topics, compression, counters, log, refuse, explain };
  return { context, openTopics };
}

/** Publishes to Kafka, at least once: `Lane` tells what that takes. A key has its partition, and a partition its lane. */
export class KafkaSink implements Sink {
  private readonly options: KafkaSinkOptions;
  private readonly context: LaneContext;
  private readonly openTopics: () => Promise<void>;
  private readonly lanes: readonly Lane[];

  constructor(options: KafkaSinkOptions, log: Logger) {
    this.options = options;
    const { context, openTopics } = kafkaParts(options, log);
    this.context = context;
    this.openTopics = openTopics;
    this.lanes = Array.from({ length: options.producers }, () => new Lane(context));
  }

  async open(): Promise<void> {
    await this.openTopics();
    for (const lane of this.lanes) {
      await lane.open().catch((error) => {
        throw accessError(error, this.options);
      });
    }
  }

  async send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]> {
    const { topics } = this.context;
    const outcomes = new Map<OutboxRecord, Outcome>();
    for (const record of records) if (topics.isRefused(record.topic)) outcomes.set(record, "refused");
    let rest = records.filter((record) => !outcomes.has(record));
    while (rest.length > 0 && !signal.aborted) {
      const shares = this.share(divide(rest, topics.partitions));
      await Promise.all(this.lanes.map((lane, n) => lane.send(shares[n] ?? [], outcomes, signal)));
      rest = rest.filter((record) => !outcomes.has(record));
    }
    return records.map((record) => outcomes.get(record) ?? "unsent");
  }

  stats(): SinkStats {
    return this.context.counters.stats();
  }

  async close(limitMs?: number): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.close(limitMs)));
    await this.options.deadLetters?.close();
  }

  private share(batches: readonly PartitionBatch[]): PartitionBatch[][] {
    const shares: PartitionBatch[][] = this.lanes.map(() => []);
    for (const batch of batches) shares[batch.partition % shares.length]?.push(batch);
    return shares;
  }
}
