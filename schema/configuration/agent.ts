import { z } from "zod";
import { type CopyTransport, ENCAPSULATIONS, readDestination } from "./destination.ts";
import { mirror } from "./mirror.ts";
import {
  addressRange,
  adminAddress,
  type ConfigurationFault,
  greKey,
  log,
  portRange,
  seconds,
  secret,
} from "./values.ts";

const capture = z.strictObject({
  interfaces: z
    .array(z.string().min(1))
    .default([])
    .describe("Interfaces to capture on, by name or pattern (eth*); needs root or CAP_NET_RAW"),
  direction: z
    .enum(["in", "both"])
    .nullable()
    .default(null)
    .describe("Packets that arrive, or also those that leave; null: both on one interface, in on several"),
  promiscuous: z.boolean().default(false).describe("Also packets to other hosts, on a mirror port"),
  method: z
    .enum(["auto", "ring", "tcpdump", "nft", "tc"])
    .default("auto")
    .describe(
      "Packet ring, or tcpdump's pipe; auto: tcpdump where the ring is not to be had. nft, tc: the kernel copies, by rules (`mirror`)",
    ),
  kernelFilter: z
    .boolean()
    .default(true)
    .describe("A ring's packets that cannot be copied stay in the kernel (docs/router.md tells what may be missed)"),
});

const exclude = z.strictObject({
  addresses: z
    .array(addressRange)
    .max(64)
    .default([])
    .describe("Addresses and prefixes; a flow with an end in one is not copied"),
  ports: z
    .array(portRange)
    .max(64)
    .default([])
    .describe("TCP ports, and ranges such as 8000-8999; a flow with one at either end is not copied"),
  interfaces: z
    .array(z.string().min(1))
    .default([])
    .describe("Interfaces that are not captured on, where a pattern names them"),
});

const limits = z.strictObject({
  mbitPerSecond: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("10^6 bits a second that copies may take; those beyond are not made, and counted; null for no bound"),
  processorPercent: z
    .number()
    .min(1)
    .max(100)
    .nullable()
    .default(null)
    .describe(
      "Percent of one processor that the agent may take; beyond it packets wait, and the kernel drops; null for no bound",
    ),
});

const status = z.strictObject({
  socket: z
    .string()
    .min(1)
    .max(107)
    .nullable()
    .default(null)
    .describe("Path of a Unix socket that answers with what the agent has done so far, as JSON; null for none"),
});

const admin = z.strictObject({
  listen: adminAddress
    .nullable()
    .default(null)
    .describe("Where it is asked: a port of 127.0.0.1, or address and port; null: nowhere"),
  token: secret.meta({ writeOnly: true }).describe("Bearer token for `/metrics`; null: whoever reaches it may read it"),
});

const replay = z.strictObject({
  files: z
    .array(z.string().min(1))
    .default([])
    .describe("Capture files (pcap, pcapng, .gz, .zst) that are read in place of interfaces, merged by time"),
  speed: z
    .union([z.number().positive(), z.literal("max")])
    .default(1)
    .describe("Times the pace at which they were captured; max: as fast as they can be sent"),
});

/** All that can be said to `rejoin agent`. A key that is absent has its default. */
export const agentConfiguration = z.strictObject({
  name: z.string().min(1).nullable().default(null).describe("Stands in the log; null: the machine's host name"),
  capture: capture.prefault({}).describe("Where packets come from"),
  exclude: exclude.prefault({}).describe("What is never copied"),
  mirror: mirror.prefault({}).describe("Read when `capture.method` is nft or tc"),
  replay: replay.prefault({}).describe("Capture files in place of interfaces"),
  collector: z.string().min(1).nullable().default(null).describe("Where copies go: HOST, HOST:PORT or [ADDRESS6]:PORT"),
  collectors: z
    .array(z.string().min(1))
    .max(16)
    .default([])
    .describe("Several in place of one: each session's copies go to one of them, in every agent the same"),
  encapsulation: z.enum(ENCAPSULATIONS).default("udp").describe("udp: GRE in UDP (RFC 8086); gre: IP protocol 47"),
  key: greKey.nullable().default(null).describe("GRE key (RFC 2890) in every copy; null for none"),
  snap: z
    .int()
    // A payload packet's headers fit in this: IPv6, and TCP with all its options.
    .min(100)
    .max(65_535)
    .nullable()
    .default(null)
    .describe("Octets that longer packets are cut to; null: to what the path takes unfragmented"),
  headersOnly: z.boolean().default(false).describe("Copies end with the TCP header"),
  fragment: z.boolean().default(false).describe("Sends copies that are too long for the path whole, in IP fragments"),
  dscp: z
    .int()
    .min(0)
    .max(63)
    .nullable()
    .default(null)
    .describe("Differentiated services code point of copies (RFC 2474); null: the kernel's, 0"),
  sample: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe("Share of sessions that are copied, whole; every agent with the same share copies the same ones"),
  limits: limits.prefault({}).describe("What the agent may take of its host"),
  maxFlows: z
    .int()
    .min(1)
    .max(2 ** 20)
    .default(131_072)
    .describe("Flows copied at a time; the longest idle one gives way"),
  user: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Who the agent becomes once all is open; it keeps CAP_NET_RAW alone, for a TAP CAP_NET_ADMIN, and nothing where the kernel sends or files are replayed. null: who it is",
    ),
  status: status.prefault({}).describe("What `rejoin agent --status` asks"),
  admin: admin.prefault({}).describe("Metrics and health, over HTTP (docs/metrics.md)"),
  ownCountsSeconds: seconds
    .default(60)
    .describe("Seconds between two reports of its own counts, which it sends to the collector among the copies"),
  log: log.prefault({}).describe("The log on standard error"),
});

/** An agent's configuration, with a value for every key. */
export type AgentConfiguration = z.output<typeof agentConfiguration>;

/** What in an agent's configuration contradicts itself. */
export function agentFaults(configuration: AgentConfiguration): ConfigurationFault[] {
  const { capture, replay, collector, collectors } = configuration;
  const faults: ConfigurationFault[] = [];
  const fault = (path: readonly PropertyKey[], message: string) => faults.push({ path, message });
  if (capture.interfaces.length > 0 && replay.files.length > 0) {
    fault(["replay", "files"], "interfaces and files exclude each other; leave one out");
  }
  if (capture.interfaces.length + replay.files.length === 0) {
    fault(
      ["capture", "interfaces"],
      "say where packets come from: interfaces here (--interface NAME), or replay.files (--replay FILE)",
    );
  }
  if (replay.files.length > 0 && isByKernel(capture)) {
    fault(["capture", "method"], "the kernel copies what passes interfaces, and files are replayed; leave this out");
  }
  if (isMirroredByKernel(configuration)) faults.push(...kernelFaults(configuration));
  if (collector !== null && collectors.length > 0) fault(["collectors"], "collector and collectors exclude each other");
  if (collector === null && collectors.length === 0) {
    fault(["collector"], "say where the copies go, here or in collectors (--collector HOST)");
  }
  for (const [path, text] of [
    [["collector"], collector] as const,
    ...collectors.map((one, i) => [["collectors", i], one] as const),
  ]) {
    const destination = text === null ? null : readDestination(text, transportOf(configuration));
    if (typeof destination !== "string") continue;
    const form = "write HOST or HOST:PORT, and an IPv6 address as [2001:db8::1]:4754";
    fault(path, `${destination}; ${form}`);
  }
  return faults;
}

/** How copies travel: as `encapsulation` says, or as the kernel sends them. */
export function transportOf(configuration: AgentConfiguration): CopyTransport {
  const { mirror, encapsulation } = configuration;
  if (!isMirroredByKernel(configuration) || mirror.device === "tap") return encapsulation;
  return mirror.device;
}

/** Whether rules of the kernel do the copying. */
function isMirroredByKernel({ capture, replay }: AgentConfiguration): boolean {
  return isByKernel(capture) && replay.files.length === 0;
}

const isByKernel = ({ method }: AgentConfiguration["capture"]): boolean => method === "nft" || method === "tc";

/** What rules of the kernel cannot do, and what the kernel does not do with copies that it sends itself. */
function kernelFaults(configuration: AgentConfiguration): ConfigurationFault[] {
  const { capture, collectors, mirror, encapsulation, key, snap, headersOnly, fragment, dscp, sample, limits } =
    configuration;
  const faults: ConfigurationFault[] = [];
  const fault = (path: readonly string[], message: string) => faults.push({ path, message });
  if (capture.promiscuous) {
    fault(
      ["capture", "promiscuous"],
      "rules see what the interface takes: `ip link set dev NAME promisc on`, leave this out",
    );
  }
  if (mirror.device === "tap") return faults;
  const unknown: readonly (readonly [readonly string[], boolean])[] = [
    [["collectors"], collectors.length > 1],
    [["snap"], snap !== null],
    [["headersOnly"], headersOnly],
    [["encapsulation"], encapsulation !== "udp"],
    [["fragment"], fragment],
    [["dscp"], dscp !== null],
    [["sample"], sample < 1],
    [["limits", "mbitPerSecond"], limits.mbitPerSecond !== null],
    [["limits", "processorPercent"], limits.processorPercent !== null],
  ];
  for (const [path, isSaid] of unknown) {
    if (isSaid)
      fault(path, `the kernel knows nothing of this with mirror.device ${mirror.device}: leave it out, or say tap`);
  }
  if (mirror.device === "vxlan" && key !== null && key >= 2 ** 24) {
    fault(["key"], "with vxlan the key is the VNI, which has 24 bits");
  }
  return faults;
}
