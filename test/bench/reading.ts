import { cpus } from "node:os";
import type { Capture } from "./captures.ts";
import { type Contest, contestRow, type RunsOf } from "./contest.ts";
import { rejoinSummary, summaryOf, tcpdumpOf, totalsOf } from "./contestants.ts";
import { provide } from "./files.ts";
import { isInstalled, measure, median, ROUNDS, type Run, versionsOf } from "./measure.ts";
import { type Row, type RowResult, verdict } from "./result.ts";

/** tshark reads only the beginning of a file, once: it takes twenty times as long. */
const TSHARK_PACKETS = 200_000;
/** A packet is to take so many times less than tshark takes for it. */
const TSHARK_TIMES = 40;

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
  readonly truth: unknown;
  readonly readings: readonly Reading[];
}

/** The row of a capture that rejoin, tcpdump and tshark read; rejoin may take `target` times what tcpdump takes. */
export function readingRow<T extends { readonly packets: number }>(capture: Capture<T>, target: number): Row {
  return contestRow(capture.name, capture.name, () => readingContest(capture, target));
}

async function readingContest<T extends { readonly packets: number }>(
  capture: Capture<T>,
  target: number,
): Promise<Contest> {
  const { path, truth } = await provide(capture);
  const rejoin = rejoinSummary(path);
  const contestants = [rejoin, tcpdumpOf(path)];
  const tell = (runsOf: RunsOf): ReadingResult => {
    const readings = contestants.flatMap((contestant) => {
      const runs = runsOf(contestant);
      return runs.length === 0 ? [] : [readingOf(contestant.name, truth.packets, runs)];
    });
    readings.push(...tsharkReading(path));
    const { name, about } = capture;
    const times = (program: string) => nanosOf(readings, "rejoin") / nanosOf(readings, program);
    return {
      ...{ row: name, about, truth, readings },
      against: versionsOf("tcpdump", "tshark"),
      figures: readings.map(({ program, median: value }) => ({ what: program, value, unit: "ns per packet" })),
      claims: [
        { what: "times tcpdump", value: times("tcpdump"), target, process: summaryOf(path) },
        {
          ...{ what: "fortieths of tshark's time", value: TSHARK_TIMES * times("tshark"), target: 1 },
          process: summaryOf(path),
        },
      ],
      differences: capture.differences(totalsOf(runsOf(rejoin)[0]), truth),
    };
  };
  return { contestants, tell };
}

/** tshark's time for the beginning of a capture; none where it is not installed. */
function tsharkReading(path: string): Reading[] {
  if (!isInstalled("tshark") || !isInstalled("tcpdump")) return [];
  const part = `${path}.beginning`;
  measure("tcpdump", ["-r", path, "-c", String(TSHARK_PACKETS), "-w", part]);
  return [
    readingOf("tshark -z conv,mptcp", TSHARK_PACKETS, [measure("tshark", ["-q", "-z", "conv,mptcp", "-r", part])]),
  ];
}

function readingOf(program: string, packets: number, runs: readonly Run[]): Reading {
  const nanosPerPacket = runs.map(({ cpuSeconds }) => (cpuSeconds * 1e9) / packets);
  return { program, packets, nanosPerPacket, median: median(nanosPerPacket) };
}

/** The median of a program whose name begins so; NaN of one that is missing. */
const nanosOf = (readings: readonly Reading[], name: string): number =>
  readings.find(({ program }) => program.startsWith(name))?.median ?? Number.NaN;

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
    const tcpdump = nanosOf(readings, "tcpdump");
    for (const { program, median: nanos } of readings) {
      lines.push(
        `| ${about} | \`${program}\` | ${Math.round(nanos).toLocaleString("en")} | ${(nanos / tcpdump).toFixed(2)} |`,
      );
    }
  }
  lines.push("");
  for (const { row, claims, differences } of results) {
    for (const claim of claims) {
      lines.push(`${row}: ${claim.value.toFixed(2)} ${claim.what}, target at most ${verdict(claim)}`);
    }
    for (const difference of differences) lines.push(`${row}: read WRONG: ${difference}`);
  }
  return `${lines.join("\n")}\n`;
}
