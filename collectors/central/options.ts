import { hostname } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { collectorConfiguration, isOnDisk } from "../../schema/configuration/collector.ts";
import { type Configuration, loadConfiguration } from "../runtime/configuration.ts";
import { OperationalError } from "../runtime/errors.ts";
import { givenOptions } from "../runtime/given-options.ts";
import { parseAgentRule } from "./agent-rule.ts";
import { parseGreListen } from "./listen.ts";

/** Where each option stands in the configuration. */
const PATHS = {
  listenUdp: "listen.udp",
  listenGre: "listen.gre",
  listenRing: "listen.ring",
  ringDrop: "listen.ringDrop",
  agent: "agents",
  anyAgent: "anyAgent",
  sink: "sink.kind",
  brokers: "sink.kafka.brokers",
  compression: "sink.kafka.compression",
  dir: "sink.files.directory",
  rotateMib: "sink.files.rotateMib",
  rotateMinutes: "sink.files.rotateMinutes",
  keep: "sink.files.keep",
  format: "records.format",
  revisions: "records.revisions",
  partial: "records.partial",
  digest: "records.digest",
  streams: "records.streams",
  plainTcp: "plainTcp.directory",
  agentsInterval: "records.agentsIntervalSeconds",
  name: "name",
  receiveBufferMib: "listen.receiveBufferMib",
  outbox: "outbox.directory",
  outboxRecords: "outbox.maxRecords",
  drainSeconds: "shutdown.drainSeconds",
};

/** Options that say where it listens, and their keys. */
const LISTEN = { "--listen-udp": "udp", "--listen-gre": "gre", "--listen-ring": "ring" };

/** Options of one sink alone. */
const OF_SINK = {
  "--brokers": "kafka",
  "--compression": "kafka",
  "--dir": "files",
  "--rotate-mib": "files",
  "--rotate-minutes": "files",
  "--keep": "files",
};

/** Adds the options of `rejoin collect` that stand for keys of its configuration. */
export function addOptions(command: Command): Command {
  const { records, sink, listen, outbox, shutdown } = collectorConfiguration.parse({});
  return command
    .option("--config <file>", "YAML; what options say beside it wins over it")
    .option("--listen-udp <address:port>", "copies in UDP at this port, or address and port; repeatable", append, [])
    .addOption(
      new Option("--listen-gre [address]", "GRE, protocol 47: 0.0.0.0 (IPv4), :: (IPv6) or, without address, both")
        .preset(true)
        .argParser(parseGreListen),
    )
    .option("--listen-ring <interface>", "GRE and GRE-in-UDP on this interface, by packet ring; repeatable", append, [])
    .option("--ring-drop", "have nft drop what the rings took (root or CAP_NET_ADMIN)", false)
    .option("--agent <rule>", "name=router1,address=192.0.2.1,key=7: who may send; repeatable", appendAgent, [])
    .option("--any-agent", "let everybody send", false)
    .addOption(
      new Option("--sink <sink>", "where records go").choices(["kafka", "files", "stdout", "tcp"]).default(sink.kind),
    )
    .addOption(
      new Option("--brokers <list>", "kafka: host:port of one or more brokers, separated by commas")
        .default(sink.kafka.brokers, sink.kafka.brokers.join(","))
        .argParser((text) => text.split(",").map((broker) => broker.trim())),
    )
    .addOption(
      new Option("--compression <codec>", "kafka: of its messages")
        .choices(["none", "gzip", "zstd"])
        .default(sink.kafka.compression),
    )
    .option("--dir <directory>", "files: where they are", sink.files.directory)
    .option("--rotate-mib <number>", "files: begin a new one at this size", whole(1), sink.files.rotateMib)
    .option("--rotate-minutes <number>", "files: begin a new one at this age", whole(1), sink.files.rotateMinutes)
    .option("--keep <number>", "files: rotated ones to keep of each topic", whole(1), sink.files.keep)
    .addOption(
      new Option("--format <format>", "of values; kafka: msgpack by default, others: json").choices([
        "msgpack",
        "json",
      ]),
    )
    .addOption(
      new Option("--revisions <which>", "every record of a session, or only its last")
        .choices(["all", "ended"])
        .default(records.revisions),
    )
    .option("--partial", "also sessions of which no handshake was seen, and orphan joins", false)
    .option("--digest", "add the SHA-256 of both streams", false)
    .option("--streams", "also publish the octets each side sent, in order, as chunks", false)
    .option(
      "--plain-tcp <directory>",
      "also write sessions as plain TCP, to captures in it: for programs without MPTCP",
    )
    .option(
      "--agents-interval <seconds>",
      "between ledger records of the agents; 0: none",
      whole(0),
      records.agentsIntervalSeconds,
    )
    .option("--name <name>", "this collector's name in records", hostname())
    .option("--receive-buffer-mib <number>", "kernel queue of each socket and ring", whole(1), listen.receiveBufferMib)
    .option("--outbox <directory>", "kafka, tcp: where records wait on the disk", outbox.directory)
    .option("--outbox-records <number>", "others: records that wait in memory", whole(1), outbox.maxRecords)
    .option("--drain-seconds <number>", "longest time for draining", whole(1), shutdown.drainSeconds);
}

/** The configuration that file, environment and options give. Throws an `OperationalError` for what cannot be. */
export function configurationOf(command: Command): Configuration<"collector"> {
  const given = givenOptions(command, PATHS);
  const says = (name: string) => given.some(({ from }) => from === name);
  if (says("--agent") && says("--any-agent")) {
    throw new OperationalError("OPTIONS", "--agent and --any-agent exclude each other; leave one out");
  }
  // Who may send, and where it listens, are each said by several options: those that are there are the whole answer.
  if (says("--agent")) given.push({ path: ["anyAgent"], value: false, from: "--agent" });
  if (says("--any-agent")) given.push({ path: ["agents"], value: [], from: "--any-agent" });
  const said = Object.keys(LISTEN).filter(says);
  for (const [option, key] of Object.entries(LISTEN)) {
    if (said.length === 0 || said.includes(option)) continue;
    given.push({ path: ["listen", key], value: [], from: said.join(", ") });
  }
  const { config = null } = command.opts<{ config?: string }>();
  const configuration = loadConfiguration("collector", { file: config, environment: process.env, options: given });
  const { kind } = configuration.values.sink;
  for (const [option, sink] of Object.entries(OF_SINK)) {
    if (says(option) && sink !== kind) {
      throw new OperationalError(
        "OPTIONS",
        `${option} has no effect: records go to sink ${kind}; leave it out, or add --sink ${sink}`,
      );
    }
  }
  const onDisk = isOnDisk(configuration.values);
  if (says("--outbox") && !onDisk) {
    throw new OperationalError(
      "OPTIONS",
      `--outbox has no effect: records for sink ${kind} wait in memory; leave it out, or set ` +
        "outbox.kind to disk (REJOIN_COLLECTOR__OUTBOX__KIND=disk)",
    );
  }
  if (says("--outbox-records") && onDisk) {
    throw new OperationalError(
      "OPTIONS",
      "--outbox-records has no effect: records wait on the disk; leave it out, or set outbox.kind to memory " +
        "(REJOIN_COLLECTOR__OUTBOX__KIND=memory)",
    );
  }
  return configuration;
}

const append = (text: string, before: readonly string[]) => [...before, text];

function appendAgent(text: string, before: readonly object[]): readonly object[] {
  return [...before, parseAgentRule(text)];
}

function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least || text.trim() === "") {
      throw new InvalidArgumentError(`It is a whole number, ${least} or more.`);
    }
    return value;
  };
}
