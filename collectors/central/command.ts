import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Logger } from "pino";
import type { Format } from "../../schema/encoding.ts";
import { TOPICS } from "../../schema/topics.ts";
import type { OutboxStats } from "../outbox/outbox.ts";
import { OperationalError } from "../runtime/errors.ts";
import { endSignal } from "../runtime/lifecycle.ts";
import { createLog } from "../runtime/log.ts";
import { counted } from "../terminal/text.ts";
import { parseAgentRule } from "./agent-rule.ts";
import { COLLECTOR_DEFAULTS, type CollectorConfig, type CollectorReport, startCollector } from "./collector.ts";
import { isLoopback, parseGreListen, parseUdpListen } from "./listen.ts";
import { logReport, recordsLine, refusedIn, shedIn, warnOfLosses } from "./report-log.ts";
import { FileSink } from "./sink/files.ts";
import { KafkaSink } from "./sink/kafka.ts";
import type { Sink } from "./sink/sink.ts";
import { READER_GONE, StreamSink } from "./sink/stdout.ts";

/** The options as commander hands them over. */
interface Options {
  readonly listenUdp: readonly string[];
  /** `true` where the option stands without an address. */
  readonly listenGre: string | true | undefined;
  readonly agent: readonly string[];
  readonly anyAgent: boolean;
  readonly sink: "kafka" | "files" | "stdout";
  readonly brokers: string;
  readonly compression: "none" | "gzip";
  readonly dir: string;
  readonly rotateMib: number;
  readonly rotateMinutes: number;
  readonly keep: number;
  readonly format: Format | undefined;
  readonly revisions: "all" | "ended";
  readonly partial: boolean;
  readonly digest: boolean;
  readonly streams: boolean;
  readonly agentsInterval: number;
  readonly name: string;
  readonly receiveBufferMib: number;
  readonly outboxRecords: number;
  readonly drainSeconds: number;
}

const REPORT_MS = 60_000;
const LINGER_MS = 500;
const MIB = 1024 * 1024;

const HELP = `
Where neither --listen-udp nor --listen-gre is given, it listens on UDP port
4754 of every address. What comes there is told by the port: VXLAN at 4789,
VXLAN-GPE at 4790, Geneve at 6081, GRE (RFC 8086) at any other, unless it is
named: vxlan=8472, vxlan-gpe=..., geneve=..., gre-in-udp=...

Who may send: each agent is named with --agent, by its address, its GRE key or
both. --any-agent lets everybody send. One of the two is needed, except when it
listens on loopback addresses only.

SIGTERM or ^C drains: sockets first, then sessions (they end with reason
"shutdown"), then records. A second one ends it at once. The log goes to
standard error, as JSON lines where that is no terminal; totals come each minute
and at the end.

Exit status: 0 it was told to end, or nobody reads its standard output any more;
1 it was told to end, and records were lost while it drained; 2 a socket or the
place for records could not be had, or the command line is wrong. Records that
were shed before, or that the sink refused, do not change it: the last line of
the log counts them.

Examples:
  Try it, records as lines:
    rejoin collect --listen-udp 127.0.0.1:4754 --sink stdout
  Two routers over UDP, records in files:
    rejoin collect --agent name=router1,address=192.0.2.1 \\
      --agent name=router2,address=192.0.2.2 --dir /var/lib/rejoin
  The same over GRE itself (root or CAP_NET_RAW), told apart by key, to Kafka:
    rejoin collect --listen-gre --agent name=router1,key=1 \\
      --agent name=router2,key=2 --sink kafka --brokers kafka1:9092,kafka2:9092`;

/** The verb `collect`: receives copies, puts sessions together, publishes records. */
export function command(): Command {
  const whole = (least: number) => (text: string) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least || text.trim() === "") {
      throw new InvalidArgumentError(`It is a whole number, ${least} or more.`);
    }
    return value;
  };
  const append = (text: string, before: readonly string[]) => [...before, text];
  const { receiveOctets, outbox, drainMs, agentsIntervalS } = COLLECTOR_DEFAULTS;
  return new Command("collect")
    .description("Receives copies of MPTCP subflows from agents, puts the sessions together and publishes records.")
    .option("--listen-udp <address:port>", "copies in UDP at this port, or address and port; repeatable", append, [])
    .option("--listen-gre [address]", "GRE, protocol 47: 0.0.0.0 (IPv4), :: (IPv6) or, without address, both")
    .option("--agent <rule>", "name=router1,address=192.0.2.1,key=7: who may send; repeatable", append, [])
    .option("--any-agent", "let everybody send", false)
    .addOption(new Option("--sink <sink>", "where records go").choices(["kafka", "files", "stdout"]).default("files"))
    .option("--brokers <list>", "kafka: host:port of one or more brokers, separated by commas", "localhost:9092")
    .addOption(new Option("--compression <codec>", "kafka: of its messages").choices(["none", "gzip"]).default("gzip"))
    .option("--dir <directory>", "files: where they are", "rejoin-records")
    .option("--rotate-mib <number>", "files: begin a new one at this size", whole(1), 64)
    .option("--rotate-minutes <number>", "files: begin a new one at this age", whole(1), 60)
    .option("--keep <number>", "files: rotated ones to keep of each topic", whole(1), 48)
    .addOption(
      new Option("--format <format>", "of values; kafka: msgpack by default, files and stdout: json").choices([
        "msgpack",
        "json",
      ]),
    )
    .addOption(
      new Option("--revisions <which>", "every record of a session, or only its last")
        .choices(["all", "ended"])
        .default("all"),
    )
    .option("--partial", "also sessions of which no handshake was seen, and orphan joins", false)
    .option("--digest", "add the SHA-256 of both streams", false)
    .option("--streams", "also publish the octets each side sent, in order, as chunks", false)
    .option("--agents-interval <seconds>", "between ledger records of the agents; 0: none", whole(0), agentsIntervalS)
    .option("--name <name>", "this collector's name in records", hostname())
    .option("--receive-buffer-mib <number>", "kernel queue of each socket", whole(1), receiveOctets / MIB)
    .option("--outbox-records <number>", "records held while the sink is away", whole(1), outbox.maxRecords)
    .option("--drain-seconds <number>", "longest time for draining", whole(1), drainMs / 1000)
    .addHelpText("after", HELP)
    .action((options: Options) => collect(options));
}

async function collect(options: Options): Promise<void> {
  const config = configOf(options);
  const log = createLog("collect");
  const collector = await startCollector(config, sinkOf(options, log), log);
  const ended = endSignal();
  log.info(`listening on ${collector.listening.join(", ")}; records go to ${sinkName(options)}`);
  let reported: CollectorReport | null = null;
  const tell = (report: CollectorReport, message: string): void => {
    logReport(log, report, message);
    warnOfLosses(log, report, reported);
    reported = report;
  };
  const reporting = setInterval(() => tell(collector.report(), "totals"), REPORT_MS);

  const cause = await Promise.race([ended, collector.sinkFailure]);
  if (typeof cause === "string") log.info(`${cause}: draining`);
  clearInterval(reporting);
  const lostUntilNow = lostIn(collector.report().records);
  const report = await collector.stop();
  tell(report, "totals at the end");
  log.info(recordsLine(report.records));
  // kafkajs may still be at an attempt that was given up, and would hold the process until it has counted to the end.
  setTimeout(() => process.exit(), LINGER_MS).unref();
  // Whoever closed the pipe knows that it is closed: `rejoin collect ... | head` ends quietly.
  const readerGone = cause instanceof OperationalError && cause.code === READER_GONE;
  if (typeof cause !== "string" && !readerGone) throw cause;
  if (report.untold > 0)
    log.warn(`${counted(report.untold, "session")} still open, for whose records there was no time`);
  const lost = lostIn(report.records) - lostUntilNow + report.untold;
  if (lost > 0 && !readerGone) {
    throw new OperationalError(
      "RECORDS_LOST",
      `${counted(lost, "record")} did not get to ${sinkName(options)} before the end and ${lost === 1 ? "is" : "are"} ` +
        `lost; ${options.sink === "stdout" ? "its reader stood still" : "the log says what was in the way"}, and ` +
        "--drain-seconds gives more time",
      { exitStatus: 1 },
    );
  }
}

/** Records that more time would have brought to their sink; a refused one it would not. */
const lostIn = (records: OutboxStats): number => shedIn(records) - refusedIn(records);

/** Throws an `OperationalError` for options that do not go together. */
function configOf(options: Options): CollectorConfig {
  const listenUdp = options.listenUdp.map(parseUdpListen);
  const listenGre = options.listenGre === undefined ? [] : parseGreListen(options.listenGre);
  if (listenUdp.length + listenGre.length === 0) listenUdp.push(parseUdpListen("4754"));

  const agents = options.agent.map(parseAgentRule);
  for (const [n, { name, address, key }] of agents.entries()) {
    const same = agents.slice(0, n).find((other) => other.address === address && other.key === key);
    if (same === undefined) continue;
    throw new OperationalError(
      "OPTIONS",
      `--agent ${name}: the same address and key as ${same.name}, which would have all of its copies; give each agent its own key`,
    );
  }
  if (agents.length > 0 && options.anyAgent) {
    throw new OperationalError("OPTIONS", "--agent and --any-agent exclude each other; leave one out");
  }
  const local = listenGre.length === 0 && listenUdp.every(({ host }) => isLoopback(host));
  if (agents.length === 0 && !options.anyAgent && !local) {
    throw new OperationalError(
      "OPTIONS",
      "nobody may send yet: name the agents, --agent name=router1,address=192.0.2.1, or let everybody send, --any-agent",
    );
  }
  if (options.sink !== "kafka" && options.format === "msgpack") {
    throw new OperationalError("OPTIONS", `--sink ${options.sink} writes JSON lines; leave --format msgpack out`);
  }
  return {
    name: options.name,
    listenUdp,
    listenGre,
    agents: agents.length > 0 ? agents : null,
    partial: options.partial,
    digest: options.digest,
    streams: options.streams,
    revisions: options.revisions,
    format: options.format ?? (options.sink === "kafka" ? "msgpack" : "json"),
    agentsIntervalS: options.agentsInterval,
    receiveOctets: options.receiveBufferMib * MIB,
    outbox: { ...COLLECTOR_DEFAULTS.outbox, maxRecords: options.outboxRecords },
    drainMs: options.drainSeconds * 1000,
  };
}

function sinkOf(options: Options, log: Logger): Sink {
  switch (options.sink) {
    case "kafka": {
      const topics: string[] = [TOPICS.sessions];
      if (options.agentsInterval > 0) topics.push(TOPICS.agents);
      if (options.streams) topics.push(TOPICS.streams);
      const optionalTopics = [TOPICS.findings];
      const brokers = options.brokers.split(",").map((broker) => broker.trim());
      return new KafkaSink(
        { brokers, clientId: options.name, topics, optionalTopics, compression: options.compression },
        log,
      );
    }
    case "files":
      return new FileSink(
        {
          directory: options.dir,
          rotateOctets: options.rotateMib * MIB,
          rotateMs: options.rotateMinutes * 60_000,
          keep: options.keep,
        },
        log,
      );
    case "stdout":
      return new StreamSink(process.stdout);
  }
}

function sinkName(options: Options): string {
  if (options.sink === "kafka") return `Kafka at ${options.brokers}`;
  return options.sink === "files" ? `files in ${options.dir}` : "standard output";
}
