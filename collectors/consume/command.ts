import { Command, InvalidArgumentError, Option } from "commander";
import { isBroker } from "../../schema/configuration/broker-address.ts";
import { distinctFiles } from "../offline/distinct-files.ts";
import { isLock } from "../runtime/directory-lock.ts";
import { OperationalError } from "../runtime/errors.ts";
import { givenOptions } from "../runtime/given-options.ts";
import { endSignal } from "../runtime/lifecycle.ts";
import { styleFor, widthOf } from "../terminal/style.ts";
import { counted, printable } from "../terminal/text.ts";
import { type FilterValues, filterOptions, filtersOf } from "./filter-option.ts";
import { Printer } from "./printer.ts";
import { recordsOfFile } from "./record-file.ts";
import { followTopic } from "./topic.ts";
import { momentOf } from "./topic-start.ts";

interface ConsumeOptions extends FilterValues {
  readonly json?: true;
  readonly detail?: true;
  readonly ended?: true;
  readonly count?: number;
  readonly topic?: string;
  readonly config?: string;
  readonly group?: string;
  readonly fromBeginning?: true;
  readonly fromTime?: number;
  readonly fromEnd?: true;
  readonly untilIdle?: number;
}

const EXAMPLES = `
A session has a record when it opens, when it changes and when it ends. Each
says all that was known by then, so the last one counts: its RECORD is "ended"
(on a narrow terminal: its END is a reason, not "opened" or "updated"), and
--ended shows no other.

--detail also tells what each subflow carried: payload of each side and its
share of the session's, segments sent again and reordered, octets that another
subflow had brought before (REINJECTED), and the round trip from the agent to
that side and back, the least and the smoothed one: both sides' together are
what the hosts see. A subflow "died" when it was reset a second or more before
the session's last packet; it "fell silent" when nothing came on it for the last
ten seconds or more and nobody closed it, or for a second or more where not even
the hosts' end of the session did.

Findings and agents' ledgers are a line each; KERNEL LOST of these is what the
agent's own kernel dropped since its start. A chunk of a stream is a row that
says where its octets belong; --json has the octets themselves, in base64.

A verdict is verified, failed or unverifiable, of any check or of one, such as
join=failed: version, key-echo, token, idsn, fastclose, join, address, checksum.
Filters go together: a record is shown that fits each option, and of one that
stands several times any. An address or port may be that of either end of the
session or of a subflow, on either side of a NAT, or be announced. A record that
has nothing of what is asked for, such as a chunk of a stream of an address, is
not shown; where none is, a line on standard error says so.

--from-time is the time at which records were published, not that of packets.
With a group, --from-beginning and --from-time move it there first.

Records may be JSON or MessagePack, and files may be gzip or zstd: what they are
is told from the content-type of a message or from their first octets.

Examples:
  A table of the sessions of a file, one row each:
    rejoin consume --ended records.jsonl
  Each session in full, subflow by subflow:
    rejoin read --json *.pcap | rejoin consume --detail -
  Which sessions of a network had a join with a wrong HMAC:
    rejoin consume --ended --address 10.10.0.0/16 --verdict join=failed \\
      records.jsonl
  A file that grows:
    tail -n +1 -F records/rejoin.sessions.v1.jsonl | rejoin consume -
  The whole topic, then what comes, until Ctrl-C:
    rejoin consume --topic rejoin.sessions.v1 --brokers kafka1:9092,kafka2:9092
  The same of a cluster that wants TLS and a password; rejoin config defaults
  consumer prints such a file:
    rejoin consume --topic rejoin.sessions.v1 --config consumer.yaml
  What is wrong with sessions, each finding of the last two hours in full, and
  what comes:
    rejoin consume --topic rejoin.findings.v1 --detail --from-time 2h
  The octets of a session's initiator, out of the chunks of its streams:
    rejoin consume --topic rejoin.streams.v1 --json --until-idle 5000 |
      jq -r 'select(.mptcp.session.id == "629a366abee5cc0097b3c83d")
        | .mptcp.chunk | select(.side == "initiator") | .octets' |
      while read -r octets; do base64 -d <<< "$octets"; done > initiator
  What came since the last run of the group "siem":
    rejoin consume --topic rejoin.sessions.v1 --json --group siem \\
      --until-idle 5000 >> sessions.jsonl

Exit status: 0 all records were good; 1 some were not, each named on standard
error; 2 a file, broker or topic could not be read at all, or the command line
is wrong.`;

/** The verb `consume`: prints records of a topic, of files or of standard input. */
export function command(): Command {
  const consume = new Command("consume")
    .description("Prints the records of a Kafka topic, of files or of standard input, for people or as JSON lines.")
    .argument("[FILE...]", "files of JSON lines or MessagePack records, plain, gzip or zstd; - is standard input")
    .addOption(new Option("--json", "print one record per line as JSON").conflicts("detail"))
    .option("--detail", "print each session and finding in full instead of a table row")
    .option("--ended", "only the last record of each session")
    .option("--count <N>", "stop after N records", positive)
    .option("--topic <NAME>", "read this Kafka topic instead of files")
    .addOption(
      new Option("--brokers <HOST:PORT,...>", "brokers to ask first")
        .argParser(brokerList)
        .default(["localhost:9092"], "localhost:9092"),
    )
    .option("--config <FILE>", "YAML: how the brokers are reached, TLS and passwords; --brokers wins over it")
    .option("--group <NAME>", "read and commit the offsets of this consumer group (default: read the whole topic)")
    .addOption(
      new Option("--from-beginning", "begin with the first message, whatever the group has read").conflicts([
        "fromTime",
        "fromEnd",
      ]),
    )
    .addOption(
      new Option("--from-time <TIME>", "begin with what was published then or later, whatever the group has read")
        .argParser(moment)
        .conflicts("fromEnd"),
    )
    .option("--from-end", "only what is published from now on, unless the group has offsets")
    .option(
      "--until-idle <MS>",
      "stop when nothing has come for MS milliseconds (default: go on until Ctrl-C)",
      positive,
    );
  for (const option of filterOptions()) consume.addOption(option);
  return consume.addHelpText("after", EXAMPLES).action(run);
}

async function run(files: readonly string[], options: ConsumeOptions, command: Command): Promise<void> {
  const complain = (line: string) => process.stderr.write(`rejoin: ${line}\n`);
  const filters = filtersOf(options);
  const printer = new Printer(
    {
      shape: options.json ? "json" : options.detail ? "detail" : "table",
      style: styleFor(process.stdout, process.env),
      width: widthOf(process.stdout),
      ended: options.ended ?? false,
      filters,
      count: options.count ?? null,
    },
    process.stdout,
    complain,
  );
  try {
    if (options.topic !== undefined) await readTopic(options.topic, files, command, printer, complain);
    else await readFiles(files, options, printer, complain);
  } finally {
    if (printer.broken > 0) {
      complain(`${printer.broken} of ${printer.taken} records could not be read`);
      if (printer.isTornApart) complain("a record stands on one line: jq -c . writes it so");
    }
  }
  // Whoever sees nothing shall know that there was something to see.
  const [chooses, whole] = [filters.length > 0 || options.ended === true, printer.taken - printer.broken];
  if (chooses && whole > 0 && printer.printed === 0) complain(`0 of ${counted(whole, "record")} fit`);
  // A group asks again and again for what is new, and nothing is no news.
  if (options.topic !== undefined && options.group === undefined && printer.taken === 0)
    complain(printable(`no record came from topic ${options.topic}`));
  process.exitCode = printer.broken > 0 ? 1 : 0;
}

async function readFiles(
  paths: readonly string[],
  options: ConsumeOptions,
  printer: Printer,
  complain: (line: string) => void,
): Promise<void> {
  const kafkaOnly = [
    ["--config", options.config],
    ["--group", options.group],
    ["--from-beginning", options.fromBeginning],
    ["--from-time", options.fromTime],
    ["--from-end", options.fromEnd],
    ["--until-idle", options.untilIdle],
  ].find(([, value]) => value !== undefined);
  if (kafkaOnly !== undefined) throw wrong(`${kafkaOnly[0]} needs --topic`);
  if (paths.length === 0)
    throw wrong("name files to read, - for standard input, or a --topic; see rejoin consume --help");
  // What stands beside a collector's files, which records/* names, too.
  const ofRecords = paths.filter((path) => !isLock(path));
  if (ofRecords.length === 0) complain(printable(`${paths[0]}: is a collector's lock; there is no record in it`));
  const { files, again } = distinctFiles(ofRecords);
  for (const line of again) complain(printable(line));
  for (const file of files) {
    for await (const arrival of recordsOfFile(file, complain)) {
      if (!(await printer.take(arrival))) return;
    }
  }
}

async function readTopic(
  topic: string,
  files: readonly string[],
  command: Command,
  printer: Printer,
  complain: (line: string) => void,
): Promise<void> {
  if (files.length > 0) throw wrong(`give either --topic or files, not both: ${files[0]}`);
  const options = command.opts<ConsumeOptions>();
  const { loadConfiguration } = await import("../runtime/configuration.ts");
  const { values } = loadConfiguration("consumer", {
    file: options.config ?? null,
    environment: process.env,
    options: givenOptions(command, { brokers: "brokers" }),
  });
  const interrupted = new AbortController();
  void endSignal().then(() => interrupted.abort());
  await followTopic(
    {
      topic,
      access: { ...values, clientId: "rejoin-consume" },
      group: options.group ?? null,
      start: options.fromTime === undefined ? (options.fromBeginning ? "beginning" : null) : { atMs: options.fromTime },
      fromEnd: options.fromEnd ?? false,
      untilIdleMs: options.untilIdle ?? null,
    },
    printer.take,
    complain,
    interrupted.signal,
  );
}

function wrong(message: string): OperationalError {
  return new OperationalError("OPTIONS", message);
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number from 1.");
  return value;
}

function moment(text: string): number {
  const at = momentOf(text, Date.now());
  if (at === null) throw new InvalidArgumentError("It is 2026-11-22T20:08:14Z, or 90m ago (s, m, h or d).");
  return at;
}

function brokerList(text: string): string[] {
  const brokers = text.split(",").map((broker) => broker.trim());
  const bad = brokers.find((broker) => !isBroker(broker));
  if (bad !== undefined) throw new InvalidArgumentError(`"${bad}" is not HOST:PORT.`);
  return brokers;
}
