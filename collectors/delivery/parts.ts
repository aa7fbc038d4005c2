import { hostname } from "node:os";
import type { Logger } from "pino";
import { type CollectorConfiguration, isOnDisk } from "../../schema/configuration/collector.ts";
import type { Format } from "../../schema/encoding.ts";
import { TOPICS, type Topic, topicFormats } from "../../schema/topics.ts";
import { AtRest } from "../outbox/at-rest.ts";
import { DurableOutbox } from "../outbox/durable.ts";
import { MemoryOutbox, type MemoryOutboxBounds } from "../outbox/memory.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { VERSION } from "../runtime/version.ts";
import { DeadLetters } from "../sink/dead-letters.ts";
import { FileSink } from "../sink/files.ts";
import { ExactlyOnceSink } from "../sink/kafka/exactly-once.ts";
import { KafkaSink, type KafkaSinkOptions } from "../sink/kafka/sink.ts";
import type { Sink } from "../sink/sink.ts";
import { StreamSink } from "../sink/stdout.ts";
import { TcpSink } from "../sink/tcp.ts";
import type { GapSettings } from "./gap.ts";

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

/** What a collector is called in records and to brokers: what its operator says, or the name of its host. */
export function collectorName({ name }: CollectorConfiguration): string {
  return name ?? hostname();
}

/** What the outbox takes at most. */
export function outboxBounds(configuration: CollectorConfiguration): MemoryOutboxBounds {
  const { maxRecords, maxMib, diskMib } = configuration.outbox;
  if (isOnDisk(configuration)) return { maxRecords: Number.POSITIVE_INFINITY, maxOctets: diskMib * MIB };
  return { maxRecords, maxOctets: maxMib * MIB };
}

/** The outbox that a configuration asks for, opened. Throws an `OperationalError` where it cannot be had. */
export async function openOutbox(configuration: CollectorConfiguration, log: Logger): Promise<Outbox> {
  const { directory, maxAgeHours, syncMs } = configuration.outbox;
  const { maxRecords, maxOctets } = outboxBounds(configuration);
  if (!isOnDisk(configuration)) return new MemoryOutbox({ maxRecords, maxOctets });
  const atRest = atRestOf(configuration);
  return DurableOutbox.open({ directory, maxOctets, maxAgeMs: maxAgeHours * HOUR_MS, syncMs, atRest }, log);
}

function atRestOf({ outbox: { keyFile } }: CollectorConfiguration): AtRest | null {
  return keyFile === null ? null : AtRest.fromFile(keyFile);
}

/** How a Kafka sink reaches its cluster, and which topics it writes to. */
export function kafkaOptions(configuration: CollectorConfiguration): Omit<KafkaSinkOptions, "deadLetters"> {
  const { records, sink } = configuration;
  const clientId = collectorName(configuration);
  const topics: string[] = [TOPICS.sessions];
  if (records.agentsIntervalSeconds > 0) topics.push(TOPICS.agents);
  if (records.streams) topics.push(TOPICS.streams);
  const { brokers, compression, producers, tls, sasl, createTopics } = sink.kafka;
  const optionalTopics = [TOPICS.findings, TOPICS.agents].filter((topic) => !topics.includes(topic));
  const creation =
    createTopics === null ? null : { ...createTopics, retentionMs: createTopics.retentionHours * HOUR_MS };
  return { brokers, clientId, tls, sasl, topics, optionalTopics, creation, compression, producers };
}

/** The place for records that a configuration names, not opened yet. */
export function sinkOf(configuration: CollectorConfiguration, log: Logger): Sink {
  const { sink } = configuration;
  switch (sink.kind) {
    case "kafka": {
      const deadLetters = isOnDisk(configuration)
        ? new DeadLetters(configuration.outbox.directory, atRestOf(configuration), log)
        : null;
      const options = { ...kafkaOptions(configuration), deadLetters };
      return sink.kafka.delivery === "exactly-once" ? new ExactlyOnceSink(options, log) : new KafkaSink(options, log);
    }
    case "files": {
      const { directory, rotateMib, rotateMinutes, keep } = sink.files;
      return new FileSink({ directory, rotateOctets: rotateMib * MIB, rotateMs: rotateMinutes * 60_000, keep }, log);
    }
    case "tcp":
      return new TcpSink(sink.tcp, log);
    case "stdout":
      return new StreamSink(process.stdout);
  }
}

/** How values of each topic are encoded. */
export function formatsOf({ records, sink }: CollectorConfiguration): Readonly<Record<Topic, Format>> {
  return topicFormats(records.format ?? (sink.kind === "kafka" ? "msgpack" : "json"), records.formats);
}

/** Who tells of gaps. */
export function gapSettings(configuration: CollectorConfiguration): GapSettings {
  const observer = { name: collectorName(configuration), version: VERSION };
  return { observer, format: formatsOf(configuration)[TOPICS.agents] };
}

/** The place for records, for people. */
export function sinkName({ sink }: CollectorConfiguration): string {
  if (sink.kind === "kafka") return `Kafka at ${sink.kafka.brokers.join(",")}`;
  if (sink.kind === "tcp") return `${sink.tcp.host}:${sink.tcp.port}`;
  return sink.kind === "files" ? `files in ${sink.files.directory}` : "standard output";
}
