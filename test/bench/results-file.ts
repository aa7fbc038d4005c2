import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { join } from "node:path";
import { VERSION } from "../../collectors/runtime/version.ts";
import { FOLDER } from "./files.ts";
import type { Program, RowResult, Why } from "./result.ts";

const PATH = join(FOLDER, "results.json");

/** A row's result, and where and when it was measured. */
export type KeptResult = RowResult & {
  /** The day, as of ISO 8601. */
  readonly date: string;
  readonly machine: string;
  readonly measured: readonly Program[];
  /** Why its claims are missed, where somebody has looked. */
  readonly whys?: readonly Why[];
};

/**
 * Puts a result into bench-data/results.json, in the place of an earlier one of its row. Returns all, in the order of
 * `rows`.
 */
export function keep(result: RowResult, rows: readonly string[]): KeptResult[] {
  const here = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    measured: [
      { name: "rejoin", version: VERSION },
      { name: "Node", version: process.version },
    ],
  };
  const earlier = existsSync(PATH) ? read() : [];
  // The last one of a row holds; a row that there is no more is dropped.
  const byRow = new Map([...earlier, { ...result, ...here }].map((one) => [one.row, one]));
  const all = rows.flatMap((row) => byRow.get(row) ?? []);
  mkdirSync(FOLDER, { recursive: true });
  write(all);
  return all;
}

/** Puts beside the result of a row that is there why its claims are missed. Returns all. */
export function keepWhys(row: string, whys: readonly Why[]): KeptResult[] {
  const all = read().map((one) => (one.row === row ? { ...one, whys } : one));
  write(all);
  return all;
}

const read = (): KeptResult[] => JSON.parse(readFileSync(PATH, "utf8")) as KeptResult[];
const write = (all: readonly KeptResult[]): void => writeFileSync(PATH, `${JSON.stringify(all, null, 2)}\n`);

/** Processor, cores that the bench might use, memory and kernel. */
function machine(): string {
  const processor = cpus()[0]?.model ?? "unknown processor";
  const [kernel] = release().split("-");
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processor}, ${availableParallelism()} of ${cpus().length} cores, ${memory} GiB, ${type()} ${kernel}`;
}
