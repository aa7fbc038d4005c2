import { join } from "node:path";
import type { FindingRecord } from "../../schema/finding-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { TOPICS } from "../../schema/topics.ts";
import type { Network } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { connectionsClosed } from "../lab/quiet.ts";
import { type TransferOptions, type TransferTruth, transfer } from "../lab/transfer.ts";
import { ADDRESSES, ROUTERS } from "../lab/two-paths.ts";
import { Program } from "./program.ts";

/** How agents and collector are run. */
export interface ObservationOptions {
  /** Tells this observation's records from those of others: the collector's name in them. */
  readonly name: string;
  readonly encapsulation: "udp" | "gre";
  /** IP version between agents and collector. */
  readonly delivery: "ipv4" | "ipv6";
  /** A broker as the collector's node reaches it. */
  readonly broker: string;
  /** For tcpdump's files. */
  readonly folder: string;
  /** Routers that have an agent; all of them where it is absent. */
  readonly watched?: readonly (typeof ROUTERS)[number][];
}

/** What an agent says at its end. */
export interface AgentCounts {
  readonly seen: number;
  readonly selected: number;
  readonly sent: number;
  readonly reports: number;
  readonly cut: number;
  readonly failed: number;
  readonly dropped: number;
  readonly lost: number;
}

/** What the collector says at its end. */
export interface CollectorCounts {
  readonly packetsIn: number;
  /** By fate. */
  readonly packets: Readonly<Record<string, number>>;
  readonly sources: readonly { readonly packets: number; readonly kernelDrops: number | null }[];
  readonly agentsLost: Readonly<Record<string, number>>;
  readonly records: { readonly made: number; readonly acknowledged: number; readonly stored: number };
  readonly faultPackets: number;
}

/** One transfer, as everybody saw it. */
export interface Observation {
  readonly truth: TransferTruth;
  readonly records: readonly SessionRecord[];
  readonly findings: readonly FindingRecord[];
  /** By watched router. */
  readonly agents: readonly AgentCounts[];
  readonly collector: CollectorCounts;
  /** By watched router: TCP packets it forwarded, and copies that left it, as tcpdump counts them. */
  readonly passed: readonly { readonly tcp: number; readonly copies: number }[];
}

/**
 * Runs a collector, an agent on each router, and tcpdump beside them; lets client and server transfer; ends everything
 * in order, and reads the records back from Kafka. Throws when a program does not start or end as it should, and a
 * `StalledTransfer` when the transfer stood still; after that all is ended, after other errors `endProcesses` ends it.
 */
export async function observe(
  network: Network,
  options: ObservationOptions,
  traffic: TransferOptions,
): Promise<Observation> {
  const { name, encapsulation, delivery, broker, folder } = options;
  const rules = ROUTERS.flatMap((router, i) => [
    "--agent",
    `name=${router},address=${ADDRESSES.router[delivery][i]},key=${i + 1}`,
  ]);
  const listen = encapsulation === "udp" ? ["--listen-udp", "4754"] : ["--listen-gre"];
  const sink = [
    "--sink",
    "kafka",
    "--brokers",
    broker,
    "--digest",
    "--name",
    name,
    "--outbox",
    join(folder, `${name}-outbox`),
  ];
  const collector = new Program(network, "collector", "collect", ...listen, ...rules, ...sink);
  await collector.says(/listening on/);
  const watched = options.watched ?? ROUTERS;
  const agents = watched.map((router) => {
    const i = ROUTERS.indexOf(router);
    const address = ADDRESSES.collector[delivery][i] ?? "";
    const delivered = ["--collector", address, "--encapsulation", encapsulation, "--key", String(i + 1)];
    return new Program(network, router, "agent", "--interface", "core", ...delivered);
  });
  await Promise.all(agents.map((agent) => agent.says(/started/)));
  const copies = encapsulation === "udp" ? "udp dst port 4754" : "ip proto 47 or ip6 proto 47";
  const counting = watched.map((router) => ({
    tcp: new PacketCount(network, router, "core", "tcp", join(folder, `${name}-${router}-tcp.pcap`)),
    copies: new PacketCount(network, router, "mgmt", copies, join(folder, `${name}-${router}-copies.pcap`)),
  }));
  await Promise.all(counting.flatMap((count) => [count.tcp.started(), count.copies.started()]));

  const endAll = async (): Promise<void> => {
    for (const agent of agents) await endWell(agent);
    await Promise.all(counting.flatMap((count) => [count.tcp.finish(), count.copies.finish()]));
    await endWell(collector);
  };
  let truth: TransferTruth;
  try {
    truth = await transfer(network, traffic);
  } catch (error) {
    await endAll();
    throw error;
  }
  await connectionsClosed(network);

  await endAll();
  const [records, findings] = await Promise.all([
    readTopic<SessionRecord>(network, broker, TOPICS.sessions),
    readTopic<FindingRecord>(network, broker, TOPICS.findings),
  ]);
  return {
    truth,
    records: records.filter(({ observer }) => observer.name === name),
    findings: findings.filter(({ observer }) => observer.name === name),
    agents: agents.map((agent) => agent.logged(/ended; /) as unknown as AgentCounts),
    collector: collector.logged(/totals at the end/) as unknown as CollectorCounts,
    passed: counting.map((count) => ({ tcp: count.tcp.count(), copies: count.copies.count() })),
  };
}

/** What `rejoin consume` prints of a topic, from its beginning to its end. */
async function readTopic<T>(network: Network, broker: string, topic: string): Promise<T[]> {
  const options = ["--topic", topic, "--brokers", broker, "--json", "--until-idle", "2000"];
  const consumer = new Program(network, "collector", "consume", ...options);
  const status = await consumer.ended();
  if (status !== 0) throw new Error(`rejoin consume ended with ${status}: ${consumer.errors}`);
  return consumer.output.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as T]));
}

async function endWell(program: Program): Promise<void> {
  const status = await program.stop();
  if (status !== 0) throw new Error(`a program ended with ${status}: ${program.errors}`);
}
