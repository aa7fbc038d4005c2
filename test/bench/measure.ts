import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NODE_FLAGS, PROFILING } from "./profile.ts";
import type { Program } from "./result.ts";

/** The middle one of so many runs of each program; the programs take turns, so that a slower minute meets all of them. */
export const ROUNDS = PROFILING ? 1 : 5;

/** The command line as it is installed; this file lies in `dist` too. */
export const REJOIN = fileURLToPath(new URL("../../bin/rejoin.js", import.meta.url));

/** One run of a program: processor time of it and its children, and what it printed. */
export interface Run {
  /** User and system time, in seconds. */
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly output: string;
}

/** Runs a program to its end and measures it. Throws with its last line of error output when it fails. */
export function measure(program: string, args: readonly string[]): Run {
  const script = `TIMEFORMAT='%3R %3U %3S'; time "$@"`;
  const child = spawnSync("bash", ["-c", script, "bash", program, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
  const errors = child.stderr.trimEnd().split("\n");
  const [wall, user, system] = (errors.pop() ?? "").split(" ").map(Number);
  if (child.status !== 0 || wall === undefined || user === undefined || system === undefined) {
    const last = errors.pop() ?? child.error?.message ?? "failed";
    throw new Error(`${program} ${args.slice(0, 8).join(" ")}: ${last}`);
  }
  return { cpuSeconds: user + system, wallSeconds: wall, output: child.stdout };
}

/** The same with Node, and a profile of it where one is asked for. */
export const measureNode = (args: readonly string[]): Run => measure(process.execPath, [...NODE_FLAGS, ...args]);

/** A program to be measured. */
export interface Contestant {
  readonly name: string;
  /** The program that must be installed for it. */
  readonly needs?: string;
  readonly run: () => Run;
}

/**
 * Measures programs in turn, ROUNDS times each. The runs of each, in the order of the programs; none of one that is missing.
 */
export function alternate(row: string, programs: readonly Contestant[]): Run[][] {
  const runs = programs.map((): Run[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { name, needs, run }] of programs.entries()) {
      if (needs !== undefined && !isInstalled(needs)) continue;
      const result = run();
      runs[i]?.push(result);
      process.stderr.write(`bench: ${row}: ${name}: ${result.cpuSeconds.toFixed(2)} s\n`);
    }
  }
  return runs;
}

/** The median of the runs' processor time, in seconds. */
export const medianCpu = (runs: readonly Run[] = []): number => median(runs.map(({ cpuSeconds }) => cpuSeconds));

/** The middle value; of an even count the mean of the two middle ones. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}

/** Whether a program is there. */
export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(`${folder}/${program}`));
}

/** An npm package of this tree, with its version. */
export function packageOf(name: string): Program {
  const path = fileURLToPath(new URL(`../../../node_modules/${name}/package.json`, import.meta.url));
  const version = existsSync(path)
    ? (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version
    : "missing";
  return { name, version };
}

/** Of these programs those that are there, with the version that they state. */
export function versionsOf(...programs: readonly ("tcpdump" | "tshark" | "openssl" | "node")[]): Program[] {
  return programs.filter(isInstalled).map((name) => {
    const { stdout, stderr } = spawnSync(name, [name === "openssl" ? "version" : "--version"], { encoding: "utf8" });
    const [, version = "unknown"] = /(\d+\.\d+[\w.]*)/.exec(stdout || stderr) ?? [];
    return { name, version };
  });
}
