import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { OperationalError } from "../runtime/errors.ts";
import { endSignal } from "../runtime/lifecycle.ts";
import { createLog } from "../runtime/log.ts";
import { grouped, printable } from "../terminal/text.ts";
import { type AgentConfig, type AgentCounters, startAgent } from "./agent.ts";
import { type Encapsulation, parseDestination } from "./destination.ts";

const REPORT_MS = 60_000;
/** A payload packet's headers fit in this: IPv6, and TCP with all its options. */
const LEAST_SNAP = 100;
const MAX_FLOWS = 2 ** 20;

const HELP = `
Capturing needs root or CAP_NET_RAW; so does --encapsulation gre. A replay over
UDP needs neither. A replay at --speed max sends faster than a collector
receives: its kernel then drops copies, and counts them.

One agent, with a --key of its own, for each place where packets are captured:
the collector tells places apart by key or address, and so what was rewritten
between two of them, and who lost what. An agent that replays the files of
several routers, or captures before and behind a box that rewrites, is one place
to the collector: a packet that both saw is a copy sent twice or one sent again,
and nothing tells which router changed what.

Once a minute and at the end a line on standard error says how many packets were
seen, selected, sent, cut, failed to send, dropped from a full send queue, and
lost in this host's kernel. What is lost behind the agent it cannot know, on the
way or in the collector's kernel: the collector's log tells its kernel's drops
for each socket, and its ledger (topic rejoin.agents.v1) what each agent's
copies miss.

Exit status: 0 it was told to end (SIGTERM or ^C), or a replay sent every copy;
1 a file of a replay was cut short or damaged, or copies of a replay failed to
be sent, were dropped, or were refused because nobody listens there; 2 it could
not begin or go on, or the command line is wrong. A second signal ends it at
once.

Examples:
  # both directions of MPTCP through one interface of a router, as GRE-in-UDP to
  # port 4754
  rejoin agent --interface eth1 --collector collector.example.net

  # every interface of a router, each packet once (as it arrives), with a key
  # the collector knows it by
  rejoin agent --interface eth0 eth1 --collector 192.0.2.9 --key 7

  # GRE as IP protocol 47 over IPv6
  rejoin agent --interface eth1 --collector 2001:db8::9 --encapsulation gre

  # a recorded capture instead of an interface, ten times as fast as it was
  rejoin agent --replay router1.pcap --speed 10 --collector 127.0.0.1`;

interface AgentOptions {
  readonly interface?: string[];
  readonly replay?: string[];
  readonly speed: number;
  readonly collector: string;
  readonly encapsulation: Encapsulation;
  readonly key?: number;
  readonly snap: number | null;
  readonly fragment: boolean;
  readonly direction?: "in" | "both";
  readonly promiscuous: boolean;
  readonly capture: "auto" | "ring" | "tcpdump";
  readonly maxFlows: number;
  readonly name: string;
}

/** The verb `rejoin agent`. */
export function command(): Command {
  return new Command("agent")
    .description(
      "Copies the packets of Multipath TCP flows and sends the copies, GRE-encapsulated, to a collector.\nA flow is copied whole, both directions, from its first packet that carries an MPTCP option.",
    )
    .option("-i, --interface <name...>", "capture on these interfaces")
    .option("-r, --replay <file...>", "read capture files (pcap, pcapng, .gz, .zst) instead, merged by time")
    .addOption(
      new Option("--speed <speed>", "pace of a replay: realtime, a factor such as 10 or 0.5, or max")
        .default(1, "realtime")
        .argParser(speed),
    )
    .requiredOption("-c, --collector <host[:port]>", "where the copies go")
    .addOption(
      new Option("-e, --encapsulation <kind>", "udp: GRE in UDP (RFC 8086); gre: IP protocol 47")
        .choices(["udp", "gre"])
        .default("udp"),
    )
    .option("-k, --key <number>", "GRE key (RFC 2890) in every copy, decimal or 0x...", number("a key", 0, 0xffffffff))
    .addOption(
      new Option(
        "-s, --snap <octets>",
        "cut longer packets to so many octets; auto: to what the path takes unfragmented",
      )
        .default(null, "auto")
        .argParser((text) => (text === "auto" ? null : number("a snap length", LEAST_SNAP, 65_535)(text))),
    )
    .option("--fragment", "send copies that are too long for the path whole, in IP fragments", false)
    .addOption(
      new Option(
        "--direction <which>",
        "packets that arrive, or also those that leave (default: both on one interface, in on several)",
      ).choices(["in", "both"]),
    )
    .option("--promiscuous", "also packets to other hosts, on a mirror port", false)
    .addOption(
      new Option("--capture <how>", "packet ring, or tcpdump's pipe; auto: tcpdump where the ring is not to be had")
        .choices(["auto", "ring", "tcpdump"])
        .default("auto"),
    )
    .option(
      "--max-flows <number>",
      "flows copied at a time; the longest idle one gives way",
      number("a bound", 1, MAX_FLOWS),
      131_072,
    )
    .option("--name <name>", "stands in the log", hostname())
    .addHelpText("after", HELP)
    .action(async (options: AgentOptions) => run(configure(options)));
}

async function run(config: AgentConfig): Promise<void> {
  const log = createLog("agent");
  const agent = await startAgent(config, log);
  const signal = await Promise.race([endSignal(), agent.ended.then(() => null)]);
  if (signal !== null) {
    log.info(`${signal}: sending what was captured`);
    await agent.stop();
  }
  const faults = [...agent.damage];
  // Of a replay somebody wants every copy; what live traffic lost stands in the log, and is no reason to end badly.
  const lost = config.input.kind === "replay" ? lostCopies(agent.counters()) : null;
  if (lost !== null) faults.push(lost);
  for (const line of faults) process.stderr.write(`rejoin: ${printable(line)}\n`);
  if (faults.length > 0) process.exitCode = 1;
}

/** One line about copies that the collector cannot have got; null when there are none that the agent knows of. */
function lostCopies({ selected, failed, dropped, refused }: AgentCounters): string | null {
  if (failed + dropped + refused === 0) return null;
  return (
    `not every one of ${grouped(selected)} copies went out: ${grouped(failed)} failed to be sent, ` +
    `${grouped(dropped)} dropped, at least ${grouped(refused)} refused; check --collector and that it runs`
  );
}

/** Options to configuration. Throws an OperationalError for those that contradict each other. */
function configure(options: AgentOptions): AgentConfig {
  return {
    name: options.name,
    input: inputOf(options),
    collector: parseDestination(options.collector, options.encapsulation),
    encapsulation: options.encapsulation,
    key: options.key ?? null,
    snap: options.snap,
    fragment: options.fragment,
    maxFlows: options.maxFlows,
    reportMs: REPORT_MS,
  };
}

function inputOf(options: AgentOptions): AgentConfig["input"] {
  const { interface: names, replay: files } = options;
  if (names !== undefined && files !== undefined) throw usage("--interface and --replay exclude each other");
  if (files !== undefined) return { kind: "replay", files, speed: options.speed, begin: null };
  if (names === undefined) throw usage("say where packets come from: --interface NAME, or --replay FILE");
  const distinct = [...new Set(names)];
  return {
    kind: "interfaces",
    names: distinct,
    // A packet forwarded between two of them is seen once where each shows only what arrives.
    direction: options.direction ?? (distinct.length > 1 ? "in" : "both"),
    promiscuous: options.promiscuous,
    by: options.capture,
  };
}

function usage(what: string): OperationalError {
  return new OperationalError("usage", `${what}; rejoin agent --help has examples`);
}

function speed(text: string): number {
  if (text === "realtime") return 1;
  if (text === "max") return Number.POSITIVE_INFINITY;
  const factor = Number(text);
  if (!(factor > 0 && Number.isFinite(factor)))
    throw new InvalidArgumentError("write realtime, max, or a factor above 0.");
  return factor;
}

function number(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`${what} is a number from ${least} to ${most}.`);
    return value;
  };
}
