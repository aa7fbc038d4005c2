import { cpus } from "node:os";
import type { Capture } from "./captures.ts";
import { rejoinSummary, summaryOf, tcpdumpOf, totalsOf } from "./contestants.ts";
import { provide } from "./files.ts";
import { alternate, isInstalled, measure, median, ROUNDS, type Run, versionsOf } from "./measure.ts";
import type { Row, RowResult } from "./result.ts";

/** tshark reads only the beginning of a file, once: it takes a hundred times as long. */
const TSHARK_PACKETS = 200_000;

/** What one program took for one capture. */
export interface Reading {
  readonly program: string;
  /** Packets it read; fewer than the capture has where it read a part only. */
  readonly packets: number;
  /** Processor time per packet of each run, user and system, in nanoseconds. */
  readonly nanosPerPacket: readonly number[];
  readonly median: number;
}

/** All readings of one capture, and whether rejoin read it right and within its target. */
export interface ReadingResult extends RowResult {
  readonly capture: string;
  readonly truth: unknown;
  readonly readings: readonly Reading[];
  /** rejoin's processor time over tcpdump's. */
  readonly ratio: number;
  readonly target: number;
}

/** The row that reads a capture with rejoin, tcpdump and tshark in turn. */
export function readingRow<T extends { readonly packets: number }>(capture: Capture<T>): Row {
  return {
    name: capture.name,
    provide: async () => void (await provide(capture)),
    run: () => benchReading(capture),
  };
}

/** Reads a capture with rejoin, tcpdump and tshark in turn. Programs that are missing are left out. Throws when one fails. */
async function benchReading<T extends { readonly packets: number }>(capture: Capture<T>): Promise<ReadingResult> {
  const { path, truth } = await provide(capture);
  const programs = [rejoinSummary(path), tcpdumpOf(path)];
  const runs = alternate(capture.name, programs);
  const readings = programs.flatMap(({ name }, i) =>
    runs[i]?.length ? [readingOf(name, truth.packets, runs[i])] : [],
  );
  if (isInstalled("tshark") && isInstalled("tcpdump")) {
    const part = `${path}.beginning`;
    measure("tcpdump", ["-r", path, "-c", String(TSHARK_PACKETS), "-w", part]);
    readings.push(
      readingOf("tshark -z conv,mptcp", TSHARK_PACKETS, [measure("tshark", ["-q", "-z", "conv,mptcp", "-r", part])]),
    );
  }
  const [rejoin, tcpdump] = readings;
  const { name, about, target } = capture;
  const ratio = (rejoin?.median ?? Number.NaN) / (tcpdump?.median ?? Number.NaN);
  return {
    ...{ row: name, capture: name, about, truth, readings, ratio, target },
    against: versionsOf("tcpdump", "tshark"),
    figures: readings.map(({ program, median: value }) => ({ what: program, value, unit: "ns per packet" })),
    claims: [{ what: "times tcpdump", value: ratio, target, process: summaryOf(path) }],
    differences: capture.differences(totalsOf(runs[0]?.[0]), truth),
  };
}

function readingOf(program: string, packets: number, runs: readonly Run[]): Reading {
  const nanosPerPacket = runs.map(({ cpuSeconds }) => (cpuSeconds * 1e9) / packets);
  return { program, packets, nanosPerPacket, median: median(nanosPerPacket) };
}

/** Whether a row read a capture. */
export const isReading = (result: RowResult): result is ReadingResult => "readings" in result;

/** The results as a Markdown table, with the machine they come from. */
export function readingTable(results: readonly ReadingResult[]): string {
  const lines = [
    `Processor time per packet, median of ${ROUNDS} runs, ${cpus()[0]?.model ?? "unknown processor"}, Node ${process.version}:`,
    "",
  ];
  lines.push("| capture | program | ns per packet | against tcpdump |", "|---|---|---:|---:|");
  for (const { about, readings } of results) {
    const tcpdump = readings.find(({ program }) => program.startsWith("tcpdump"))?.median ?? Number.NaN;
    for (const { program, median: nanos } of readings) {
      lines.push(
        `| ${about} | \`${program}\` | ${Math.round(nanos).toLocaleString("en")} | ${(nanos / tcpdump).toFixed(2)} |`,
      );
    }
  }
  lines.push("");
  for (const { capture, ratio, target, differences } of results) {
    const missed = `MISSED by ${(ratio - target).toFixed(2)}`;
    lines.push(
      `${capture}: ${ratio.toFixed(2)} times tcpdump, target at most ${target}: ${ratio <= target ? "met" : missed}`,
    );
    for (const difference of differences) lines.push(`${capture}: read WRONG: ${difference}`);
  }
  return `${lines.join("\n")}\n`;
}
