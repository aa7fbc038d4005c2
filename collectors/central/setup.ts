import { hostname } from "node:os";
import type { Logger } from "pino";
import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { readListenAddress } from "../../schema/configuration/listen-address.ts";
import { TOPICS, topicFormats } from "../../schema/topics.ts";
import type { CollectorConfig } from "./collector.ts";
import { udpListen } from "./listen.ts";
import { FileSink } from "./sink/files.ts";
import { KafkaSink } from "./sink/kafka.ts";
import type { Sink } from "./sink/sink.ts";
import { StreamSink } from "./sink/stdout.ts";

const MIB = 1024 * 1024;

/** What a collector does, out of what its operator wrote. */
export function collectorConfig(configuration: CollectorConfiguration): CollectorConfig {
  const { listen, agents, anyAgent, records, sink, outbox, shutdown } = configuration;
  const rules = agents.map(({ name, addresses, keys, encapsulations, packetsPerSecond }) => ({
    ...{ name, packetsPerSecond },
    addresses: listed(addresses),
    keys: listed(keys),
    encapsulations: listed(encapsulations),
  }));
  return {
    name: configuration.name ?? hostname(),
    listenUdp: listen.udp.flatMap((at) => {
      const address = readListenAddress(String(at));
      return address === null ? [] : [udpListen(address)];
    }),
    listenGre: [...new Set(listen.gre)].map((version) => (version === "ipv4" ? 4 : 6)),
    listenRing: [...new Set(listen.ring)],
    ringDrop: listen.ringDrop,
    // Nobody is named: everybody may send, or it listens on loopback addresses only.
    agents: anyAgent || rules.length === 0 ? null : rules,
    agentPacketsPerSecond: configuration.agentPacketsPerSecond,
    partial: records.partial,
    digest: records.digest,
    streams: records.streams,
    revisions: records.revisions,
    formats: topicFormats(records.format ?? (sink.kind === "kafka" ? "msgpack" : "json"), records.formats),
    agentsIntervalS: records.agentsIntervalSeconds,
    receiveOctets: listen.receiveBufferMib * MIB,
    outbox: { maxRecords: outbox.maxRecords, maxOctets: outbox.maxMib * MIB },
    drainMs: shutdown.drainSeconds * 1000,
  };
}

/** An empty list says nothing. */
const listed = <T>(list: readonly T[]): readonly T[] | null => (list.length > 0 ? list : null);

/** The place for records that a configuration names, not opened yet. */
export function sinkOf({ name, records, sink }: CollectorConfiguration, log: Logger): Sink {
  switch (sink.kind) {
    case "kafka": {
      const topics: string[] = [TOPICS.sessions];
      if (records.agentsIntervalSeconds > 0) topics.push(TOPICS.agents);
      if (records.streams) topics.push(TOPICS.streams);
      const { brokers, compression } = sink.kafka;
      const optionalTopics = [TOPICS.findings];
      return new KafkaSink({ brokers, clientId: name ?? hostname(), topics, optionalTopics, compression }, log);
    }
    case "files": {
      const { directory, rotateMib, rotateMinutes, keep } = sink.files;
      return new FileSink({ directory, rotateOctets: rotateMib * MIB, rotateMs: rotateMinutes * 60_000, keep }, log);
    }
    case "stdout":
      return new StreamSink(process.stdout);
  }
}

/** The place for records, for people. */
export function sinkName({ sink }: CollectorConfiguration): string {
  if (sink.kind === "kafka") return `Kafka at ${sink.kafka.brokers.join(",")}`;
  return sink.kind === "files" ? `files in ${sink.files.directory}` : "standard output";
}
