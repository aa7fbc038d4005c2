import kafkajs, { type Admin, type PartitionMetadata } from "kafkajs";
import type { Logger } from "pino";
import { OperationalError } from "../../runtime/errors.ts";
import { MAX_SEND_OCTETS } from "./batches.ts";

/** How topics are made that are missing. */
export interface TopicCreation {
  readonly partitions: number;
  readonly replication: number;
  readonly retentionMs: number;
}

/** Which topics a sink writes to. */
export interface TopicChoice {
  /** All must exist. */
  readonly topics: readonly string[];
  /** Topics whose records are refused, and counted so, where the topic does not exist. */
  readonly optionalTopics: readonly string[];
  /** Null: missing topics are not made. */
  readonly creation: TopicCreation | null;
}

/** The topics of a sink, and their partitions. */
export class KafkaTopics {
  private readonly choice: TopicChoice;
  private readonly where: string;
  private readonly log: Pick<Logger, "warn" | "info">;
  /** Of every topic of the choice that exists: bounded by its lists. */
  readonly partitions = new Map<string, PartitionMetadata[]>();

  /** `where` is a broker's address, for the commands that messages tell. */
  constructor(choice: TopicChoice, where: string, log: Pick<Logger, "warn" | "info">) {
    this.choice = choice;
    this.where = where;
    this.log = log;
  }

  /** Looks for the topics, makes those that are missing where it may, and says what is wrong with those that are there. */
  async open(admin: Admin): Promise<void> {
    let absent = await this.learn(admin);
    if (absent.length > 0 && this.choice.creation !== null) {
      await this.create(admin, absent, this.choice.creation);
      absent = await this.learn(admin);
    }
    const missing = absent.filter((topic) => this.choice.topics.includes(topic));
    for (const topic of absent.filter((topic) => !missing.includes(topic))) {
      this.log.warn(
        `Kafka at ${this.where} has no topic ${topic}: its records are refused until it is there at a start`,
      );
    }
    if (missing.length > 0) {
      const [topics, them] = missing.length === 1 ? ["topic", "it"] : ["topics", "them"];
      const create = missing.map(
        (topic) =>
          `kafka-topics.sh --bootstrap-server ${this.where.split(",", 1)[0]} --create --topic ${topic} --partitions 12`,
      );
      throw new OperationalError(
        "KAFKA_TOPIC_MISSING",
        `Kafka at ${this.where} has no ${topics} ${missing.join(", ")}; create ${them} first: ${create.join(" && ")}`,
      );
    }
    for (const line of await this.faults(admin)) this.log.warn(line);
  }

  /** Whether the topic may be missing, and is. */
  isRefused(topic: string): boolean {
    return !this.partitions.has(topic) && this.choice.optionalTopics.includes(topic);
  }

  /** Learns the partitions of the topics that are there and returns the others. To ask for one might create it. */
  async learn(admin: Admin): Promise<string[]> {
    const present = new Set(await admin.listTopics());
    const all = [...this.choice.topics, ...this.choice.optionalTopics];
    const { topics } = await admin.fetchTopicMetadata({ topics: all.filter((name) => present.has(name)) });
    for (const { name, partitions } of topics) this.partitions.set(name, partitions);
    return all.filter((name) => !present.has(name));
  }

  private async create(admin: Admin, names: readonly string[], creation: TopicCreation): Promise<void> {
    const { partitions, replication, retentionMs } = creation;
    const configEntries = [
      { name: "retention.ms", value: String(retentionMs) },
      { name: "min.insync.replicas", value: String(Math.min(2, replication)) },
      { name: "cleanup.policy", value: "delete" },
    ];
    try {
      const topics = names.map((topic) => ({
        topic,
        numPartitions: partitions,
        replicationFactor: replication,
        configEntries,
      }));
      await admin.createTopics({ topics, waitForLeaders: true });
    } catch (error) {
      throw new OperationalError(
        "KAFKA_TOPIC_CREATION",
        `Kafka at ${this.where} does not make the topics ${names.join(", ")}: ${reasonOf(error)}; check sink.kafka.createTopics`,
        { cause: error },
      );
    }
    this.log.info(`Kafka at ${this.where} has made the topics ${names.join(", ")}`);
  }

  /** A line for each setting of an existing topic that loses records or refuses them. */
  private async faults(admin: Admin): Promise<string[]> {
    const names = [...this.partitions.keys()];
    const configNames = ["cleanup.policy", "max.message.bytes", "min.insync.replicas"];
    const resources = names.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames }));
    // Who may write to a topic need not be allowed to see its settings.
    const described = await admin.describeConfigs({ resources, includeSynonyms: false }).catch(() => null);
    return (described?.resources ?? []).flatMap(({ resourceName, configEntries }) => {
      const value = (name: string) => configEntries.find(({ configName }) => configName === name)?.configValue ?? "";
      const replicas = this.partitions.get(resourceName)?.[0]?.replicas.length ?? 1;
      return topicFaults(resourceName, replicas, {
        cleanupPolicy: value("cleanup.policy"),
        maxMessageOctets: Number(value("max.message.bytes")),
        minInsyncReplicas: Number(value("min.insync.replicas")),
      });
    });
  }
}

/** What is wrong with a topic's settings, a line each. */
export function topicFaults(
  topic: string,
  replicas: number,
  settings: { cleanupPolicy: string; maxMessageOctets: number; minInsyncReplicas: number },
): string[] {
  const { cleanupPolicy, maxMessageOctets, minInsyncReplicas } = settings;
  const faults: string[] = [];
  if (cleanupPolicy.includes("compact")) {
    faults.push(
      `topic ${topic}: cleanup.policy ${cleanupPolicy} deletes all but a session's newest record; set delete`,
    );
  }
  if (maxMessageOctets < MAX_SEND_OCTETS) {
    faults.push(`topic ${topic}: max.message.bytes ${maxMessageOctets} refuses larger records; set 1048588 or more`);
  }
  if (minInsyncReplicas > replicas) {
    faults.push(
      `topic ${topic}: min.insync.replicas ${minInsyncReplicas} of ${replicas} replicas: it takes no record at all`,
    );
  } else if (replicas > 1 && minInsyncReplicas === 1) {
    faults.push(
      `topic ${topic}: min.insync.replicas 1: what one broker has alone is acknowledged, and lost with it; set 2`,
    );
  }
  return faults;
}

function reasonOf(error: unknown): string {
  // kafkajs gathers one error for each topic.
  const first = error instanceof Error && "errors" in error && Array.isArray(error.errors) ? error.errors[0] : error;
  return first instanceof Error ? first.message : String(first);
}
