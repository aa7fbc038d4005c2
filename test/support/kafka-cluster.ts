import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { freePort, type LogMessage, TestKafka } from "./kafka.ts";
import { KafkaProxy } from "./kafka-proxy.ts";

/** Of three brokers, each of which is a controller, too. Leaders go back to where they should be within a second or two. */
const OF_THREE = {
  "default.replication.factor": "3",
  "min.insync.replicas": "2",
  "offsets.topic.replication.factor": "3",
  "transaction.state.log.replication.factor": "3",
  "transaction.state.log.min.isr": "2",
  "leader.imbalance.check.interval.seconds": "1",
  "leader.imbalance.per.broker.percentage": "0",
};

const IN_SYNC_MS = 60_000;
const LOOK_MS = 500;

/** One real broker, or three that replicate, each behind a proxy of its own. */
export class TestCluster {
  private readonly nodes: readonly TestKafka[];
  readonly proxies: readonly KafkaProxy[];
  /** `host:port` of all, separated by commas. */
  readonly address: string;

  private constructor(nodes: readonly TestKafka[], proxies: readonly KafkaProxy[]) {
    this.nodes = nodes;
    this.proxies = proxies;
    this.address = nodes.map(({ address }) => address).join();
  }

  static async start(size: 1 | 3): Promise<TestCluster> {
    const ports: { own: [number, number]; proxyPort: number }[] = [];
    for (let n = 0; n < size; n++) {
      ports.push({ own: [await freePort(), await freePort()], proxyPort: await freePort() });
    }
    const proxies = ports.map(({ own, proxyPort }) => new KafkaProxy(proxyPort, () => own[0]));
    const voters = ports.map(({ own }, n) => `${n + 1}@127.0.0.1:${own[1]}`).join();
    // None takes connections before most are there.
    const starts = ports.map(({ own, proxyPort }, n) =>
      TestKafka.start({
        ports: own,
        proxyPort,
        settings: { "node.id": String(n + 1), "controller.quorum.voters": voters, ...(size === 3 ? OF_THREE : {}) },
      }),
    );
    const started = await Promise.allSettled(starts);
    const nodes = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const cluster = new TestCluster(nodes, proxies);
    const failed = started.find((one) => one.status === "rejected");
    if (failed === undefined) return cluster;
    await cluster.wipe();
    throw failed.reason;
  }

  /** How many brokers there are. */
  get size(): number {
    return this.nodes.length;
  }

  /** Makes a topic that all brokers have. */
  async createTopic(topic: string, partitions: number): Promise<void> {
    await this.nodes[0]?.createTopic(topic, partitions);
  }

  /** Ends the n-th broker as a power cut would. */
  async kill(n: number): Promise<void> {
    await this.nodes[n]?.kill();
  }

  /** Starts it again. */
  async restart(n: number): Promise<void> {
    await this.nodes[n]?.restart();
  }

  /** Gives each partition of a topic another leader, while all brokers live. */
  async moveLeaders(topic: string): Promise<void> {
    const admin = new kafkajs.Kafka({ brokers: this.address.split(","), logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const partitionAssignment = (topics[0]?.partitions ?? []).map(({ partitionId, replicas, leader }) => ({
        partition: partitionId,
        replicas: [...replicas.filter((id) => id !== leader), leader],
      }));
      await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
    } finally {
      await admin.disconnect();
    }
  }

  /** As `TestKafka.scan`, when every broker has all of the topic. */
  async scan(topic: string, which: "all" | "committed", take: (message: LogMessage) => void): Promise<void> {
    await this.inSync(topic);
    await this.nodes[0]?.scan(topic, which, take);
  }

  /**
   * Waits until every broker has all of a topic: a leader that has just become it tells only of what it knows that others have,
   * which is less than it was given. Throws when that takes too long.
   */
  private async inSync(topic: string): Promise<void> {
    if (this.size === 1) return;
    const admin = new kafkajs.Kafka({ brokers: this.address.split(","), logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      for (const end = Date.now() + IN_SYNC_MS; ; ) {
        // A leader learns from its followers' next questions.
        await sleep(LOOK_MS);
        const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
        const partitions = topics[0]?.partitions ?? [];
        if (partitions.length > 0 && partitions.every(({ isr }) => isr.length === this.size)) return;
        if (Date.now() > end) throw new Error(`brokers do not have all of ${topic}: ${JSON.stringify(partitions)}`);
      }
    } finally {
      await admin.disconnect();
    }
  }

  /** Ends all and deletes their data. */
  async wipe(): Promise<void> {
    for (const proxy of this.proxies) proxy.close();
    for (const node of this.nodes) await node.wipe();
  }
}
