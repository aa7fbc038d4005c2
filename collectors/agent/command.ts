import { constants } from "node:os";
import { Command } from "commander";
import type { Logger } from "pino";
import type { AgentConfiguration } from "../../schema/configuration/agent.ts";
import { variableOf } from "../../schema/configuration/programs.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW, userChange } from "../linux/privileges.ts";
import type { AdminAddress } from "../runtime/admin-server.ts";
import { OperationalError } from "../runtime/errors.ts";
import { endSignal } from "../runtime/lifecycle.ts";
import { createLog } from "../runtime/log.ts";
import { reloadOnHangup } from "../runtime/reload.ts";
import { grouped, printable } from "../terminal/text.ts";
import { startAgent } from "./agent.ts";
import type { Agent, AgentConfig, AgentCounters, AgentStatus } from "./agent-contract.ts";
import { removeLeftovers, rulesOf } from "./mirror/commands.ts";
import { addOptions, configurationOf } from "./options.ts";
import { agentConfig, agentPolicy, collectorsOf } from "./setup.ts";
import { askStatus, serveStatus, statusOf } from "./status.ts";

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

On a router the kernel keeps back what cannot be MPTCP; docs/router.md tells
what is copied, what may be missed, and what the agent may take of its host.

With --capture nft or tc the kernel copies, by rules that the agent installs,
looks after and removes; docs/agents.md tells how, and what the script of
--print-rules --standalone does on a router without Node.

Once a minute and at the end a line on standard error says how many packets were
seen, selected, sent, cut, failed to send, dropped from a full send queue, and
lost in this host's kernel. What is lost behind the agent it cannot know, on the
way or in the collector's kernel: the collector's log tells its kernel's drops
for each socket, and its ledger (topic rejoin.agents.v1) what each agent's
copies miss.

What is rarely said stands in a YAML file, --config; keys and defaults:
docs/configuration.md. Variables such as REJOIN_AGENT__COLLECTOR win over the
file, options over both. On SIGHUP the file is read anew; the log says what was
taken over and what waits for a restart.

That nobody listens at the collector is seen, and warned of, by the ICMP errors
that come back; over GRE only where package koffi is to be had. Without it
another collector of the list does not take over there.

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

  # what the agent with this status.socket has done so far
  rejoin agent --status /run/rejoin-agent/agent.sock

  # the kernel copies; the agent reads the copies from a TAP
  rejoin agent --interface eth1 --collector 192.0.2.9 --capture nft

  # a recorded capture instead of an interface, ten times as fast as it was
  rejoin agent --replay router1.pcap --speed 10 --collector 127.0.0.1`;

/** The verb `rejoin agent`. */
export function command(): Command {
  const agent = new Command("agent").description(
    "Copies the packets of Multipath TCP flows and sends the copies, GRE-encapsulated, to a collector.\nA flow is copied whole, both directions, from its first packet that carries an MPTCP option.",
  );
  return addOptions(agent)
    .option(
      "--status [socket]",
      "print what a running agent says of itself, as JSON, and end; its socket: status.socket",
    )
    .option("--print-rules", "print the rules by which the kernel copies (--capture nft or tc), and end", false)
    .option(
      "--standalone",
      "with --print-rules: as a shell script that mirrors to the collector without an agent",
      false,
    )
    .option("--clean", "remove the rules and devices of agents that were killed, and end", false)
    .addHelpText("after", HELP)
    .action(async ({ config, status, printRules, standalone, clean }: Errands, command: Command) => {
      if (clean) return removeLeftovers();
      const read = () => configurationOf(command).values;
      if (status !== undefined) return printStatus(status === true ? namedSocket(config, read) : status);
      if (standalone && !printRules) throw new OperationalError("usage", "--standalone goes with --print-rules");
      if (!printRules) return run(read(), config === undefined ? null : read);
      process.stdout.write(await rulesOf(read(), standalone));
    });
}

/** Options that are no keys of the configuration: what an agent is asked for instead of copying. */
interface Errands {
  readonly config?: string;
  readonly status?: string | true;
  readonly printRules: boolean;
  readonly standalone: boolean;
  readonly clean: boolean;
}

/** The status socket of the configuration; where nothing can name one, what else an agent needs is not asked for. */
function namedSocket(config: string | undefined, read: () => AgentConfiguration): string | null {
  const variable = process.env[variableOf("agent", ["status", "socket"])];
  return config === undefined && variable === undefined ? null : read().status.socket;
}

async function printStatus(socket: string | null): Promise<void> {
  if (socket === null) {
    const how = "rejoin agent --status SOCKET, or --config FILE where it says status.socket";
    throw new OperationalError("usage", `no status socket is named: ${how}`);
  }
  process.stdout.write(`${JSON.stringify(statusOf(await askStatus(socket), socket), null, 2)}\n`);
}

/** Opens what answers who asks, of an agent that `status` tells of: null until it has begun. */
async function openAnswers(
  configuration: AgentConfiguration,
  status: () => AgentStatus | null,
): Promise<{ readonly address: string | null; close(): void }> {
  const { socket } = configuration.status;
  const asked = socket === null ? null : await serveStatus(socket, status);
  try {
    const admin = await openAdmin(configuration, status);
    const close = (): void => {
      asked?.close();
      admin?.close();
    };
    return { address: admin?.address ?? null, close };
  } catch (error) {
    asked?.close();
    throw error;
  }
}

/** The admin server; what it takes to load costs those nothing that ask for none. */
async function openAdmin(
  configuration: AgentConfiguration,
  status: () => AgentStatus | null,
): Promise<AdminAddress | null> {
  const { listen } = configuration.admin;
  if (listen === null) return null;
  const { startAdmin } = await import("./admin.ts");
  return startAdmin(listen, configuration, status);
}

/** What opens an input again that goes and comes back. */
function capabilitiesFor(input: AgentConfig["input"]): readonly number[] {
  if (input.kind === "mirror") return input.device === "tap" ? [CAP_NET_ADMIN] : [];
  return input.kind === "interfaces" ? [CAP_NET_RAW] : [];
}

/** Starts the agent, which becomes its user once everything is open that needs root; or tells which signal came first. */
async function begin(
  config: AgentConfig,
  { user }: AgentConfiguration,
  ended: Promise<NodeJS.Signals>,
  log: Logger,
): Promise<Agent | NodeJS.Signals> {
  const become = user === null ? () => {} : await userChange(user, capabilitiesFor(config.input));
  const agent = await Promise.race([startAgent(config, log), ended]);
  if (typeof agent === "string") return agent;
  try {
    become();
  } catch (error) {
    await agent.stop();
    throw error;
  }
  return agent;
}

/** `reread` gives the configuration as it stands in its file by now; null where there is none. */
async function run(configuration: AgentConfiguration, reread: (() => AgentConfiguration) | null): Promise<void> {
  const config = agentConfig(configuration);
  const log = createLog("agent", configuration.log.level);
  // Before the log says that it has started: a signal that nobody waits for ends a process without its account.
  const ended = endSignal();
  let asked: Agent | null = null;
  // First: an agent that fails behind this has sent copies, and a report of its own counts.
  const answers = await openAnswers(configuration, () => asked?.status() ?? null);
  const agent = await begin(config, configuration, ended, log).catch((error) => {
    answers.close();
    throw error;
  });
  if (typeof agent === "string") {
    // It may be waiting for what it replays. Nothing was copied yet: it ends as by the signal itself.
    answers.close();
    return process.exit(128 + constants.signals[agent]);
  }
  asked = agent;
  if (answers.address !== null) log.info(`metrics and health at ${answers.address}`);
  const apply = async (changed: AgentConfiguration): Promise<void> => {
    await agent.change(agentPolicy(changed), collectorsOf(changed));
    agent.reportEvery(changed.log.reportSeconds * 1000);
  };
  if (reread !== null) reloadOnHangup("agent", configuration, reread, apply, log);
  const signal = await Promise.race([ended, agent.ended.then(() => null)]);
  if (signal !== null) {
    log.info(`${signal}: sending what was captured`);
    await agent.stop();
  }
  answers.close();
  const faults = [...agent.damage];
  // Of a replay somebody wants every copy; what live traffic lost stands in the log, and is no reason to end badly.
  const lost = config.input.kind === "replay" ? lostCopies(agent.counters()) : null;
  if (lost !== null) faults.push(lost);
  for (const line of faults) process.stderr.write(`rejoin: ${printable(line)}\n`);
  if (faults.length > 0) process.exitCode = 1;
}

/** One line about copies that the collector cannot have got; null when there are none that the agent knows of. */
function lostCopies({ selected, failed, dropped, limited, refused, tooLong }: AgentCounters): string | null {
  if (failed + dropped + limited + refused + tooLong === 0) return null;
  // What did not go out are then reports of its own counts.
  if (selected === 0)
    return "there was no copy to send, and the collector could not be told so; check --collector and that it runs";
  return (
    `not every one of ${grouped(selected)} copies went out: ${grouped(failed)} failed to be sent, ` +
    `${grouped(dropped + limited)} dropped, at least ${grouped(refused + tooLong)} refused; check --collector and that it runs`
  );
}
