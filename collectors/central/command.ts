import { Command } from "commander";
import type { Logger } from "pino";
import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { collectorName, outboxBounds, sinkName } from "../delivery/parts.ts";
import { loadLibc } from "../linux/libc.ts";
import type { OutboxStats } from "../outbox/outbox.ts";
import { OperationalError } from "../runtime/errors.ts";
import { Interval } from "../runtime/interval.ts";
import { endSignal } from "../runtime/lifecycle.ts";
import { createLog } from "../runtime/log.ts";
import { reloadOnHangup } from "../runtime/reload.ts";
import { READER_GONE } from "../sink/stdout.ts";
import { counted } from "../terminal/text.ts";
import type { AdminView } from "./admin.ts";
import { startCollector } from "./collector.ts";
import type { CollectorReport } from "./collector-contract.ts";
import { addOptions, configurationOf } from "./options.ts";
import { logReport, recordsLine, refusedIn, shedIn, warnOfLosses } from "./report-log.ts";
import { collectorConfig, deliveryOf } from "./setup.ts";

const LINGER_MS = 500;

const HELP = `
Where nothing says where to listen, it listens on UDP port 4754 of every
address. What comes there is told by the port: VXLAN at 4789,
VXLAN-GPE at 4790, Geneve at 6081, GRE (RFC 8086) at any other, unless it is
named: vxlan=8472, vxlan-gpe=..., geneve=..., gre-in-udp=...

--listen-ring takes GRE, and GRE-in-UDP at port 4754, from the kernel's packet
ring of an interface, what is to be forwarded included: many times cheaper than
sockets. It needs root or CAP_NET_RAW, and the npm package koffi; sockets stand
in where one is missing. --ring-drop spares the host the rest of its IP stack:
until the collector ends, nft drops all GRE and this port on the interface, once
the ring has it.

Who may send: each agent is named with --agent, by its address, its GRE key or
both. --any-agent lets everybody send. One of the two is needed, except when it
listens on loopback addresses only.

What is rarely said stands in a YAML file, --config; keys and defaults:
docs/configuration.md. Variables such as REJOIN_COLLECTOR__SINK__KIND win over
the file, options over both. On SIGHUP the file is read anew; the log says what
was taken over and what waits for a restart.

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
  Much traffic, all of it on one interface:
    rejoin collect --listen-ring eth0 --ring-drop --any-agent
  Two routers over UDP, records in files:
    rejoin collect --agent name=router1,address=192.0.2.1 \\
      --agent name=router2,address=192.0.2.2 --dir /var/lib/rejoin
  And have an intrusion detector see whole sessions as they come:
    rejoin collect --any-agent --plain-tcp whole &
    suricata -r whole --pcap-file-continuous --pcap-file-delete \\
      --set stream.inline=yes
  The same over GRE itself (root or CAP_NET_RAW), told apart by key, to Kafka:
    rejoin collect --listen-gre --agent name=router1,key=1 \\
      --agent name=router2,key=2 --sink kafka --brokers kafka1:9092,kafka2:9092`;

/** The verb `collect`: receives copies, puts sessions together, publishes records. */
export function command(): Command {
  const collect = new Command("collect").description(
    "Receives copies of MPTCP subflows from agents, puts the sessions together and publishes records.",
  );
  return addOptions(collect)
    .addHelpText("after", HELP)
    .action(({ config }: { config?: string }, command: Command) => {
      const read = () => configurationOf(command).values;
      return run(read(), config === undefined ? null : read);
    });
}

/** `reread` gives the configuration as it stands in its file by now; null where there is none. */
async function run(
  configuration: CollectorConfiguration,
  reread: (() => CollectorConfiguration) | null,
): Promise<void> {
  const log = createLog("collect", configuration.log.level);
  // Before anything is open, and the sink, which may take some seconds: what has come by then is drained all the same.
  const ended = endSignal();
  const view: AdminView = {
    name: collectorName(configuration),
    phase: "starting",
    collector: null,
    agents: namesOf(configuration),
  };
  const admin = await openAdmin(configuration, view, log);
  try {
    await receive(configuration, reread, view, ended, log);
  } finally {
    admin?.close();
  }
}

/** The admin server, where one is asked for; what it takes to load costs others nothing. */
async function openAdmin(configuration: CollectorConfiguration, view: AdminView, log: Logger) {
  const { listen } = configuration.admin;
  if (listen === null) return null;
  const { startAdmin } = await import("./admin.ts");
  const admin = await startAdmin(listen, configuration, outboxBounds(configuration), view);
  log.info(`metrics and health at ${admin.address}`);
  return admin;
}

async function receive(
  configuration: CollectorConfiguration,
  reread: (() => CollectorConfiguration) | null,
  view: AdminView,
  ended: Promise<NodeJS.Signals>,
  log: Logger,
): Promise<void> {
  const delivery = await deliveryOf(configuration, log);
  const collector = await startCollector(collectorConfig(configuration), delivery, log, loadLibc, ended);
  let reported: CollectorReport | null = null;
  const tell = (report: CollectorReport, message: string): void => {
    logReport(log, report, message);
    warnOfLosses(log, report, reported);
    reported = report;
  };
  const reporting = new Interval(() => tell(collector.report(), "totals"), configuration.log.reportSeconds * 1000);
  const apply = (changed: CollectorConfiguration): void => {
    delivery.logAt?.(changed.log.level);
    collector.change(collectorConfig(changed));
    view.agents = namesOf(changed);
    reporting.every(changed.log.reportSeconds * 1000);
  };
  // Before anybody can know that it runs: a SIGHUP that nobody waits for ends a process.
  if (reread !== null) reloadOnHangup("collector", configuration, reread, apply, log);
  view.collector = collector;
  view.phase = "receiving";
  log.info(`listening on ${collector.listening.join(", ")}; records go to ${sinkName(configuration)}`);
  const cause = await Promise.race([ended, collector.sinkFailure]);
  view.phase = "draining";
  if (typeof cause === "string") log.info(`${cause}: draining`);
  reporting.stop();
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
  if (lost > 0 && !readerGone) throw recordsLost(lost, configuration);
}

/** Says that so many records were lost while the collector drained. */
function recordsLost(lost: number, configuration: CollectorConfiguration): OperationalError {
  const cause = configuration.sink.kind === "stdout" ? "its reader stood still" : "the log says what was in the way";
  const message =
    `${counted(lost, "record")} did not get to ${sinkName(configuration)} before the end and ${lost === 1 ? "is" : "are"} ` +
    `lost; ${cause}, and --drain-seconds gives more time`;
  return new OperationalError("RECORDS_LOST", message, { exitStatus: 1 });
}

const namesOf = ({ agents }: CollectorConfiguration): string[] => agents.map(({ name }) => name);

/** Records that more time would have brought to their sink; a refused one it would not. */
const lostIn = (records: OutboxStats): number => shedIn(records) - refusedIn(records);
