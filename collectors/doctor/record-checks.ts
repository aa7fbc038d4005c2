import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type CollectorConfiguration, isOnDisk } from "../../schema/configuration/collector.ts";
import { kafkaOptions } from "../delivery/parts.ts";
import { OperationalError } from "../runtime/errors.ts";
import { accessError } from "../sink/kafka/access-error.ts";
import { withAdmin } from "../sink/kafka/admin.ts";
import { kafkaClients } from "../sink/kafka/connection.ts";
import { KafkaCounters } from "../sink/kafka/counters.ts";
import { KafkaTopics } from "../sink/kafka/topics.ts";
import { TcpSink } from "../sink/tcp.ts";
import { type Check, findingsOf } from "./finding.ts";

const MIB = 1024 * 1024;

/** What a collector's records need: whoever takes them, and disk for what waits. */
export function recordChecks(configuration: CollectorConfiguration): Check[] {
  const { sink, outbox, plainTcp } = configuration;
  const checks: Check[] = [];
  if (sink.kind === "kafka") checks.push(kafkaCheck(configuration));
  if (sink.kind === "tcp") checks.push(tcpCheck(configuration));
  if (sink.kind === "files") {
    const { directory, rotateMib, keep } = sink.files;
    // Of each topic there may be so many; sessions' are the larger ones by far.
    checks.push(diskCheck("record files", directory, rotateMib * (keep + 1), "sink.files"));
  }
  if (isOnDisk(configuration)) checks.push(diskCheck("outbox", outbox.directory, outbox.diskMib, "outbox.diskMib"));
  if (plainTcp.directory !== null)
    checks.push(diskCheck("plain TCP", plainTcp.directory, plainTcp.keepMib, "plainTcp.keepMib"));
  return checks;
}

/** Whether brokers let this client in, topics are there, and their settings neither lose nor refuse records. */
function kafkaCheck(configuration: CollectorConfiguration): Check {
  const what = "Kafka";
  const { ok, warn } = findingsOf(what);
  const options = kafkaOptions(configuration);
  const where = options.brokers.join(", ");
  return {
    what,
    look: async () => {
      const warnings: string[] = [];
      const log = { warn: (line: unknown) => void warnings.push(String(line)), info: () => {} };
      const { startingKafka } = kafkaClients(options, new KafkaCounters(), log);
      const topics = new KafkaTopics({ ...options, creation: null }, where, log);
      try {
        await withAdmin(startingKafka, (admin) => topics.open(admin));
      } catch (error) {
        const isMissing = error instanceof OperationalError && error.code === "KAFKA_TOPIC_MISSING";
        if (!isMissing || options.creation === null) throw accessError(error, options);
        return ok(`brokers answer at ${where}; topics that are missing are made at the start`);
      }
      return [...ok(`brokers answer at ${where}, and have ${options.topics.join(", ")}`), ...warnings.flatMap(warn)];
    },
  };
}

function tcpCheck({ sink }: CollectorConfiguration): Check {
  const what = "TCP sink";
  const { ok } = findingsOf(what);
  return {
    what,
    look: async () => {
      const silent = { warn: () => {}, info: () => {}, error: () => {} };
      const tcp = new TcpSink(sink.tcp, silent as unknown as ConstructorParameters<typeof TcpSink>[1]);
      await tcp.open();
      await tcp.close();
      return ok(`somebody takes connections at ${sink.tcp.host}:${sink.tcp.port}`);
    },
  };
}

/** Whether a directory, or the one it will be made in, may be written to and has room for what `key` allows. */
export function diskCheck(what: string, directory: string, mib: number, key: string): Check {
  const { ok, warn, fail } = findingsOf(what);
  return {
    what,
    look: () => {
      const at = nearest(resolve(directory));
      try {
        accessSync(at, constants.W_OK);
      } catch {
        return fail(`${at} cannot be written to by this user: chown it, or say another directory`);
      }
      const { bavail, bsize } = statfsSync(at);
      const free = Math.floor((bavail * bsize) / MIB);
      if (free >= mib) return ok(`${free} MiB are free at ${at}, of ${mib} that ${key} allows`);
      return warn(`${free} MiB are free at ${at}, and ${key} allows ${mib}: lower it, or make room`);
    },
  };
}

/** The directory itself, or the first above it that is there. */
function nearest(directory: string): string {
  return existsSync(directory) || dirname(directory) === directory ? directory : nearest(dirname(directory));
}
