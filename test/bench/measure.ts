import { spawnSync } from "node:child_process";

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
    throw new Error(`${program} ${args.join(" ")}: ${errors.pop() ?? child.error?.message ?? "failed"}`);
  }
  return { cpuSeconds: user + system, wallSeconds: wall, output: child.stdout };
}

/** The middle value; of an even count the mean of the two middle ones. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
