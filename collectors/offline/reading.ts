import { hostname } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { UdpEncapsulation } from "../../schema/encapsulation.ts";
import { Pipeline } from "../../src/pipeline.ts";
import type { PacketVector } from "../../src/vector.ts";
import { OperationalError } from "../runtime/errors.ts";
import { VERSION } from "../runtime/version.ts";
import { styleFor, widthOf } from "../terminal/style.ts";
import { printable } from "../terminal/text.ts";
import type { CaptureInput } from "./capture-input.ts";
import { attach, type Captures, openCaptures, readCaptures } from "./captures.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { PlainTcpFile } from "./plain-tcp-file.ts";
import { Progress } from "./progress.ts";
import { jsonReport, jsonSummaryReport, type Report, summaryReport, tableReport } from "./report.ts";
import { StreamFiles } from "./stream-files.ts";
import { unreadWords } from "./summary.ts";

/** The options of `rejoin read`. */
export interface ReadOptions {
  readonly json?: boolean;
  readonly summary?: boolean;
  readonly streams?: string;
  readonly plainTcp?: string;
  readonly digest?: boolean;
  readonly partial?: boolean;
  readonly findings?: boolean;
  /** What comes to further UDP ports, and most delivery headers around a packet. */
  readonly udpPort?: Readonly<Record<number, UdpEncapsulation>>;
  readonly tunnelDepth?: number;
}

/** Where a reading's text comes from and goes to. */
export interface ReadStreams {
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  /** Progress is drawn there when it says it is a terminal. */
  readonly stderr: Writable & { readonly isTTY?: boolean };
}

/**
 * Reads capture files through the pipeline and reports on standard output. Returns the exit status: 0, 1 when a file was
 * cut short or damaged, 2 when one cannot be read at all (then none is), 130 or 143 where a signal was the end. Throws an
 * OperationalError when the options do not go together, or when the streams folder or standard output cannot be written.
 */
export async function read(
  paths: readonly string[],
  options: ReadOptions,
  streams: ReadStreams,
  interruption = new Interruption(null),
): Promise<number> {
  checkOptions(options);
  const say = (line: string) => streams.stderr.write(`rejoin: ${printable(line)}\n`);
  const captures = await openCaptures(paths, streams.stdin, interruption);
  try {
    if (captures.unreadable.length > 0) {
      for (const line of captures.unreadable) say(line);
      return 2;
    }
    for (const line of captures.again) say(line);
    const files = options.streams === undefined ? null : new StreamFiles(options.streams);
    const retold = options.plainTcp === undefined ? null : new PlainTcpFile(options.plainTcp, paths);
    const faults: unknown[] = [];
    const fault = (error: unknown) => {
      if (faults.length === 0) faults.push(error);
    };
    const { closed, unread, untold } = await run(captures, options, streams, { files, retold }, fault, interruption);
    const damages = captures.inputs.flatMap(({ input }) => input.damage ?? []);
    for (const line of damages) say(line);
    for (const { input } of captures.inputs) if (input.disorder !== null) say(input.disorder);
    // The line under a table says it, too, and so do totals.
    if (unread !== null && options.json === true && options.summary !== true) say(unread);
    if (untold > 0)
      say(`${options.plainTcp}: lacks ${untold} octets that came too late, or when another session had the same ends`);
    if (interruption.signal !== null) say(`interrupted (${interruption.signal}): the rest was not read`);
    const isCut = closed && retold !== null;
    if (isCut) say(`${options.plainTcp}: ends early: standard output was closed, and the rest not read`);
    try {
      files?.close();
    } finally {
      retold?.close();
    }
    // All the same the report is out; the packets that are missing from it stand there as `pipeline/fault`.
    if (faults.length > 0) throw faults[0];
    return interruption.exitStatus || ((damages.length > 0 && !closed) || isCut ? 1 : 0);
  } finally {
    interruption.release();
    for (const { input } of captures.inputs) input.close();
  }
}

/** Throws an OperationalError for options that would be without effect, or that mean nothing. */
function checkOptions({ json, summary, digest, streams, plainTcp, findings }: ReadOptions): void {
  if (digest === true && (json !== true || summary === true)) {
    throw new OperationalError(
      "usage",
      "--digest puts the SHA-256 of streams into records: it needs --json without --summary",
    );
  }
  if (findings === true && json !== true && summary !== true) {
    throw new OperationalError(
      "usage",
      "--findings prints findings as records, or counts them: it needs --json or --summary; tables have them anyway",
    );
  }
  if (streams === "-") {
    throw new OperationalError("usage", "--streams writes a file for each stream: it needs a folder, not -");
  }
  if (plainTcp === "-") {
    throw new OperationalError("usage", "--plain-tcp writes a capture beside the report: it needs a file, not -");
  }
}

/**
 * Runs all packets through a pipeline; `fault` is told of our own bugs. Returns whether standard output went away meanwhile,
 * what packets were not looked into, null for none, and how many octets could not be told again.
 */
async function run(
  captures: Captures,
  options: ReadOptions,
  streams: ReadStreams,
  { files, retold }: { readonly files: StreamFiles | null; readonly retold: PlainTcpFile | null },
  fault: (error: unknown) => void,
  interruption: Interruption,
): Promise<{ closed: boolean; unread: string | null; untold: number }> {
  const inputs = captures.inputs.map(({ input }) => input);
  const progress = streams.stderr.isTTY === true ? progressOn(streams.stderr, inputs) : null;
  const output = new Output(streams.stdout, () => progress?.erase());
  const report = reportOn(output, options, streams.stdout);
  const pipeline = new Pipeline({
    observer: { name: hostname(), version: VERSION },
    agents: null,
    partial: options.partial === true,
    revisions: "ended",
    digest: options.digest === true,
    octets: files,
    ...(retold === null ? {} : { plainTcp: (packet, atMicros) => retold.add(packet, atMicros) }),
    fault,
    udpPorts: options.udpPort ?? {},
    ...(options.tunnelDepth === undefined ? {} : { tunnelDepth: options.tunnelDepth }),
    // Findings are made of records.
    ...(options.findings === true
      ? { record: report.record ?? (() => {}), finding: report.finding }
      : { record: report.record }),
  });
  attach(captures.inputs, pipeline);
  let packets = 0;
  const take = (vector: PacketVector) => {
    packets += vector.length;
    pipeline.process(vector);
  };
  const turn = async () => {
    await output.flush();
    progress?.update(takenFrom(inputs), packets);
    return !output.closed;
  };
  try {
    await readCaptures(inputs, take, turn, interruption);
    if (!output.closed) {
      pipeline.finish("end-of-input");
      report.end(pipeline.totals());
      await output.flush();
    }
  } finally {
    progress?.erase();
  }
  const untold = pipeline.untoldOctets();
  return { closed: output.closed, unread: unreadWords(pipeline.totals()), untold };
}

function reportOn(output: Output, options: ReadOptions, stdout: ReadStreams["stdout"]): Report {
  const write = (text: string) => output.write(text);
  if (options.json === true) return options.summary === true ? jsonSummaryReport(write) : jsonReport(write);
  const partial = options.partial === true;
  if (options.summary === true) return summaryReport(write, widthOf(stdout), partial);
  return tableReport(write, widthOf(stdout), styleFor(stdout, process.env), partial);
}

function progressOn(stderr: Writable, inputs: readonly CaptureInput[]): Progress {
  const total = inputs.reduce<number | null>((sum, { size }) => (sum === null || size === null ? null : sum + size), 0);
  return new Progress(
    (text) => stderr.write(text),
    total,
    () => performance.now(),
  );
}

function takenFrom(inputs: readonly CaptureInput[]): number {
  return inputs.reduce((sum, { taken }) => sum + taken, 0);
}
