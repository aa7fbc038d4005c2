import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { type Capture, provide } from "./captures.ts";
import { measure, median, type Run } from "./measure.ts";
import type { Truth } from "./traffic.ts";

/** The middle one of so many runs of each program; the programs take turns, so that a slower minute meets all of them. */
const ROUNDS = 5;
/** tshark reads only the beginning of a file, once: it takes a hundred times as long. */
const TSHARK_PACKETS = 200_000;

/** The command line as it is installed; this file lies in `dist` too. */
const REJOIN = fileURLToPath(new URL("../../bin/rejoin.js", import.meta.url));

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
export interface ReadingResult {
  readonly capture: string;
  readonly about: string;
  readonly truth: Truth;
  readonly readings: readonly Reading[];
  /** rejoin's processor time over tcpdump's. */
  readonly ratio: number;
  readonly target: number;
  /** What rejoin counted otherwise than the generator; empty when it read the file right. */
  readonly differences: readonly string[];
}

/** Reads a capture with rejoin, tcpdump and tshark in turn. Programs that are missing are left out. Throws when one fails. */
export function benchReading(capture: Capture): ReadingResult {
  const { path, truth } = provide(capture);
  const programs: [string, () => Run][] = [
    ["rejoin read --summary", () => measure(process.execPath, [REJOIN, "read", "--summary", "--json", path])],
  ];
  if (isInstalled("tcpdump"))
    programs.push(["tcpdump -w /dev/null", () => measure("tcpdump", ["-r", path, "-w", "/dev/null"])]);
  const runs = new Map<string, Run[]>(programs.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of programs) {
      const result = run();
      runs.get(name)?.push(result);
      process.stderr.write(`bench: ${capture.name}: ${name}: ${result.cpuSeconds.toFixed(2)} s\n`);
    }
  }
  const readings = [...runs].map(([name, each]) => readingOf(name, truth.packets, each));
  if (isInstalled("tshark") && isInstalled("tcpdump")) {
    const part = `${path}.beginning`;
    measure("tcpdump", ["-r", path, "-c", String(TSHARK_PACKETS), "-w", part]);
    readings.push(
      readingOf("tshark -z conv,mptcp", TSHARK_PACKETS, [measure("tshark", ["-q", "-z", "conv,mptcp", "-r", part])]),
    );
  }
  const [rejoin, tcpdump] = readings;
  return {
    capture: capture.name,
    about: capture.about,
    truth,
    readings,
    ratio: (rejoin?.median ?? Number.NaN) / (tcpdump?.median ?? Number.NaN),
    target: capture.target,
    differences: differences(runs.get(programs[0]?.[0] ?? "")?.[0]?.output ?? "", truth),
  };
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(`${folder}/${program}`));
}

function readingOf(program: string, packets: number, runs: readonly Run[]): Reading {
  const nanosPerPacket = runs.map(({ cpuSeconds }) => (cpuSeconds * 1e9) / packets);
  return { program, packets, nanosPerPacket, median: median(nanosPerPacket) };
}

/** Compares rejoin's totals (`rejoin read --summary --json`) with what the generator wrote. */
function differences(output: string, truth: Truth): string[] {
  const totals = JSON.parse(output) as {
    packetsIn: number;
    packets: Record<string, number>;
    sessions: { opened: number; ended: number };
    endedBy: Record<string, number>;
    subflows: { initial: number; joined: number };
    octets: { initiator: number; responder: number; missing: number };
    verdicts: Record<string, { verified: number; failed: number }>;
  };
  const { octets, verdicts } = totals;
  const expected: [string, number, number | undefined][] = [
    ["packets", truth.packets, totals.packetsIn],
    ["packets counted", truth.packets, totals.packets["session/counted"]],
    ["sessions", truth.sessions, totals.sessions.opened],
    ["sessions ended by FIN", truth.sessions, totals.endedBy.fin],
    ["initial subflows", truth.subflows.initial, totals.subflows.initial],
    ["joined subflows", truth.subflows.joined, totals.subflows.joined],
    ["join HMACs verified", 2 * truth.subflows.joined, verdicts["join-hmac"]?.verified],
    ["octets of initiators", truth.octets.initiator, octets.initiator],
    ["octets of responders", truth.octets.responder, octets.responder],
    ["octets missing", truth.octets.missing, octets.missing],
  ];
  return expected.flatMap(([what, want, got]) => (want === got ? [] : [`${what}: ${got} instead of ${want}`]));
}

/** The results as a Markdown table, with the machine they come from. */
export function table(results: readonly ReadingResult[]): string {
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
    lines.push(
      `${capture}: ${ratio.toFixed(2)} times tcpdump, target at most ${target}: ${ratio <= target ? "met" : "MISSED"}`,
    );
    for (const difference of differences) lines.push(`${capture}: read WRONG: ${difference}`);
  }
  return `${lines.join("\n")}\n`;
}
