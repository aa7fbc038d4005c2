import { resolve } from "node:path";
import { z } from "zod";
import { ENCAPSULATIONS } from "../encapsulation.ts";
import { saslFaults } from "./broker-access.ts";
import { isLoopback, overlapOf, readListenAddress } from "./listen-address.ts";
import { sink } from "./sink.ts";
import {
  addressRange,
  adminAddress,
  type ConfigurationFault,
  greKey,
  listenAddress,
  log,
  mebibytes,
  packetsPerSecond,
  seconds,
  secret,
} from "./values.ts";

const listen = z.strictObject({
  udp: z
    .array(listenAddress)
    .default(["4754"])
    .describe(
      "Where copies in UDP are received: ports, or addresses and ports, `[]` for nowhere. VXLAN at 4789, VXLAN-GPE at 4790, " +
        "Geneve at 6081, GRE (RFC 8086) at any other port, unless it is named before it: `vxlan=8472`",
    ),
  gre: z
    .array(z.enum(["ipv4", "ipv6"]))
    .default([])
    .describe("IP versions over which GRE itself, IP protocol 47, is received; needs root or CAP_NET_RAW"),
  ring: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Interfaces on which GRE, and GRE-in-UDP at port 4754, are received by packet ring; sockets must not receive them, " +
        "too: `udp: []`. Needs root or CAP_NET_RAW, and package koffi",
    ),
  ringDrop: z
    .boolean()
    .default(false)
    .describe("Has nft drop all GRE, and UDP to port 4754, on the interfaces of `ring` behind the ring, while it runs"),
  zeroUdpChecksums: z
    .boolean()
    .default(false)
    .describe(
      "Takes UDP over IPv6 without a checksum, too, as tunnels may send it (RFC 6935, RFC 8086 section 6.2); the kernel drops it " +
        "otherwise. Needs package koffi. Rings take it anyway",
    ),
  tunnelDepth: z
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe(
      "Most delivery headers around a packet, the agent's own among them; a packet in more is refused and counted",
    ),
  receiveBufferMib: mebibytes
    // Twice as many octets are the most that Linux counts.
    .max(1023)
    .default(16)
    .describe(
      "Mebibytes that the kernel is asked to queue for each socket, which net.core.rmem_max limits without CAP_NET_ADMIN, and each ring",
    ),
});

const agent = z.strictObject({
  name: z.string().min(1).describe("Stands in records as the agent's name"),
  addresses: z
    .array(addressRange)
    .default([])
    .describe("Addresses and networks its copies come from; an empty list for any"),
  keys: z
    .array(greKey)
    .default([])
    .describe(
      "Keys of its GRE headers (RFC 2890), network identifiers of VXLAN and Geneve, session ids of ERSPAN; an empty list for any or none",
    ),
  encapsulations: z
    .array(z.enum(ENCAPSULATIONS))
    .default([])
    .describe("How its copies travel; an empty list for any way"),
  packetsPerSecond: packetsPerSecond
    .nullable()
    .default(null)
    .describe("Packets a second that are taken of it; null: as the collector's `agentPacketsPerSecond` says"),
});

const format = z.enum(["msgpack", "json"]).nullable().default(null);

const formats = z.strictObject({
  sessions: format.describe("Of rejoin.sessions.v1"),
  findings: format.describe("Of rejoin.findings.v1"),
  streams: format.describe("Of rejoin.streams.v1"),
  agents: format.describe("Of rejoin.agents.v1"),
});

const records = z.strictObject({
  revisions: z.enum(["all", "ended"]).default("all").describe("Every record of a session, or only its last"),
  partial: z.boolean().default(false).describe("Also sessions of which no handshake was seen, and orphan joins"),
  digest: z.boolean().default(false).describe("Adds the SHA-256 of both streams to a session's last record"),
  streams: z.boolean().default(false).describe("Also publishes the octets each side sent, in order, as chunks"),
  format: format.describe("Of values; null: msgpack for Kafka, json for every other sink"),
  formats: formats.prefault({}).describe("Of the values of one topic; null: as `format` says"),
  agentsIntervalSeconds: z
    .int()
    .min(0)
    .max(86_400)
    .default(60)
    .describe("Seconds between two ledger records of an agent; 0: none are made"),
});

const plainTcp = z.strictObject({
  directory: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("Where captures of sessions as plain TCP are put, for another program to take; null: none are made"),
  rotateSeconds: z.int().min(1).max(86_400).default(10).describe("Finishes a capture at this age, in seconds"),
  rotateMib: mebibytes.default(64).describe("Finishes a capture at this size, in mebibytes"),
  keepMib: mebibytes
    .default(1024)
    .describe("Mebibytes of captures that nobody has taken, at which the oldest are deleted"),
});

const outbox = z.strictObject({
  kind: z
    .enum(["disk", "memory"])
    .nullable()
    .default(null)
    .describe("Where records wait for the sink; null: on the disk for kafka and tcp, in memory for files and stdout"),
  maxRecords: z.int().min(1).default(100_000).describe("In memory: records held while the sink is away"),
  maxMib: mebibytes.default(256).describe("In memory: mebibytes of records held while the sink is away"),
  directory: z.string().min(1).default("rejoin-outbox").describe("On the disk: where; made where it is missing"),
  diskMib: mebibytes.default(4096).describe("On the disk: mebibytes of records held while the sink is away"),
  maxAgeHours: z
    .int()
    .min(1)
    .max(8760)
    .default(168)
    .describe("On the disk: hours, of those in which the collector ran, after which a record is shed"),
  syncMs: z
    .int()
    .min(10)
    .max(60_000)
    .default(200)
    .describe("On the disk: milliseconds after which a record survives a power cut"),
  keyFile: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "On the disk: file with the key, 32 octets or 64 hexadecimal digits, that records and the values of dead letters are encrypted with",
    ),
});

const admin = z.strictObject({
  listen: adminAddress
    .nullable()
    .default(null)
    .describe("Where it is asked: a port of 127.0.0.1, or address and port; null: nowhere"),
  token: secret
    .meta({ writeOnly: true })
    .describe(
      "Bearer token for `/metrics` and what is below `/debug/`; null: whoever reaches it may read the first, and on loopback the others",
    ),
});

/** All that can be said to `rejoin collect`. A key that is absent has its default. */
export const collectorConfiguration = z.strictObject({
  name: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("This collector's name in records; null: the machine's host name"),
  listen: listen.prefault({}).describe("Where copies are received"),
  agents: z
    .array(agent)
    .default([])
    .describe("Who may send. May be empty where it listens on loopback addresses only, or `anyAgent` is true"),
  anyAgent: z.boolean().default(false).describe("Lets everybody send; `agents` is empty then"),
  agentPacketsPerSecond: packetsPerSecond
    .nullable()
    .default(200_000)
    .describe(
      "Packets a second that are taken of one agent, about half of what a collector can take; what is more is refused and counted. null: any number",
    ),
  records: records.prefault({}).describe("Which records are made, and how they are written"),
  sink: sink.prefault({}).describe("Where records go"),
  plainTcp: plainTcp.prefault({}).describe("Sessions told again as plain TCP, for programs without MPTCP"),
  outbox: outbox.prefault({}).describe("Records between pipeline and sink"),
  shutdown: z
    .strictObject({ drainSeconds: seconds.default(10).describe("Longest time for draining, in seconds") })
    .prefault({})
    .describe("What happens on SIGTERM and SIGINT"),
  admin: admin.prefault({}).describe("Metrics, health and what is under way, over HTTP (docs/metrics.md)"),
  log: log.prefault({}).describe("The log on standard error"),
});

/** A collector's configuration, with a value for every key. */
export type CollectorConfiguration = z.output<typeof collectorConfiguration>;

/** Whether the sink is reached over a network: it may be away for long, and has a thread of its own. */
export function isRemote({ sink }: CollectorConfiguration): boolean {
  return sink.kind === "kafka" || sink.kind === "tcp";
}

/** Whether records wait on the disk: where nothing is said, those for a remote sink. */
export function isOnDisk(configuration: CollectorConfiguration): boolean {
  return (configuration.outbox.kind ?? (isRemote(configuration) ? "disk" : "memory")) === "disk";
}

/** What in a collector's configuration contradicts itself. */
export function collectorFaults(configuration: CollectorConfiguration): ConfigurationFault[] {
  const { listen, agents, anyAgent, records, sink, plainTcp } = configuration;
  const faults: ConfigurationFault[] = [];
  const fault = (path: readonly PropertyKey[], message: string) => faults.push({ path, message });

  const udp = listen.udp.map((at) => readListenAddress(`${at}`));
  for (const [n, at] of udp.entries()) {
    for (const [first, one] of udp.slice(0, n).entries()) {
      const overlap = at === null || one === null ? null : overlapOf(one, at);
      if (overlap === null) continue;
      const what = {
        same: `is where listen.udp[${first}] receives; leave one out`,
        some: `shares its port, and addresses, with listen.udp[${first}], and only one of the two can have a copy; leave one out`,
      };
      fault(["listen", "udp", n], what[overlap]);
      break;
    }
  }
  if (udp.length + listen.gre.length + listen.ring.length === 0) {
    fault(["listen"], "it listens nowhere; name a port in listen.udp");
  }
  if (listen.ring.length > 0 && (listen.gre.length > 0 || udp.some((at) => at?.port === 4754))) {
    fault(
      ["listen", "ring"],
      "a ring takes what a socket would take again: name all interfaces here, and no GRE (gre: []) or port 4754 (udp: [])",
    );
  }
  if (listen.ringDrop && listen.ring.length === 0) fault(["listen", "ringDrop"], "there is no ring to drop behind");
  const known = new Map<string, number>();
  for (const [n, { addresses, keys, encapsulations }] of agents.entries()) {
    if (addresses.length + keys.length === 0) fault(["agents", n], "neither addresses nor keys say who this is");
    for (const stream of streamsOf(addresses, keys, encapsulations)) {
      const same = known.get(stream);
      if (same !== undefined) {
        const what = `this agent has the same address and key as agents[${same}], which would have all of its copies`;
        fault(["agents", n], `${what}; give each agent its own key`);
      }
      known.set(stream, n);
    }
  }
  if (agents.length > 0 && anyAgent) fault(["anyAgent"], "agents are named, and everybody may send; leave one out");
  const local = listen.gre.length + listen.ring.length === 0 && udp.every((at) => isLoopback(at?.host ?? null));
  if (agents.length === 0 && !anyAgent && !local) {
    fault(
      ["agents"],
      "nobody may send yet: name the agents here (--agent name=router1,address=192.0.2.1), or let everybody send, " +
        "anyAgent: true (--any-agent)",
    );
  }
  if (plainTcp.keepMib < 2 * plainTcp.rotateMib) {
    fault(["plainTcp", "keepMib"], "it has no room for two captures of rotateMib; raise it, or lower that");
  }
  for (const [what, directory] of directoriesOf(configuration)) {
    if (plainTcp.directory === null || resolve(plainTcp.directory) !== resolve(directory)) continue;
    fault(["plainTcp", "directory"], `${what}, which a detector would take for captures; give it one of its own`);
  }
  if (sink.kind === "kafka") {
    const { sasl, delivery } = sink.kafka;
    if (delivery === "exactly-once" && configuration.outbox.kind === "memory") {
      fault(["sink", "kafka", "delivery"], "exactly-once needs the outbox on the disk; leave outbox.kind out");
    }
    faults.push(...saslFaults(sasl, ["sink", "kafka", "sasl"]));
  } else {
    const instead = `sink ${sink.kind} writes JSON lines; leave msgpack out`;
    if (records.format === "msgpack") fault(["records", "format"], instead);
    for (const [name, one] of Object.entries(records.formats)) {
      if (one === "msgpack") fault(["records", "formats", name], instead);
    }
  }
  return faults;
}

/** Directories that the collector has files of its own in, and which. */
function directoriesOf(configuration: CollectorConfiguration): (readonly [what: string, directory: string])[] {
  const { sink, outbox } = configuration;
  const records = ["record files are there (sink.files.directory)", sink.files.directory] as const;
  const waiting = ["records wait there (outbox.directory)", outbox.directory] as const;
  return [...(sink.kind === "files" ? [records] : []), ...(isOnDisk(configuration) ? [waiting] : [])];
}

/** Every combination that an agent's lists name; an empty list is a word of its own. */
const streamsOf = (...lists: readonly (readonly (string | number)[])[]): string[] =>
  lists.reduce<string[]>(
    (before, list) => before.flatMap((words) => (list.length > 0 ? list : [""]).map((word) => `${words} ${word}`)),
    [""],
  );
