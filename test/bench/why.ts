import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleSources } from "./bundle-sources.ts";
import { FOLDER } from "./files.ts";
import type { Profiled } from "./profile.ts";
import { type Claim, type Figure, isMissed, type RowResult, type Why } from "./result.ts";
import { sharesOf } from "./shares.ts";

/** Where a profiled run of a row keeps for a bench that started it why its claims have the value that they have. */
const noteFile = (row: string): string => join(FOLDER, `${row}-profile.json`);

/** Of each claim of a row, by what it claims. */
type Whys = Record<string, Why>;

/** Why each claim of a row that was profiled has its value, as far as that can be told; kept for `whysOf`, too. */
export async function explain({ result, processes }: Profiled<RowResult>): Promise<Why[]> {
  const sourceOf = await bundleSources();
  const whys: Whys = {};
  for (const { what, process: measured, why } of result.claims) {
    if (why !== undefined) whys[what] = why;
    if (measured === undefined) continue;
    const { name, words, within = [] } = measured;
    const found = processes.find(({ account }) => words.every((word) => account.command.includes(word)));
    if (found === undefined) continue;
    const { seconds, threadSeconds, rooms, functions } = sharesOf(found.profiles, found.account, sourceOf, within);
    const { kernelMicros, allMicros } = found.account;
    const isPart = within.length > 0;
    const part = isPart ? `, what it does on the clock (below ${within.map(quoted).join(" and ")})` : "";
    const kernel = `${Math.round((100 * kernelMicros) / allMicros)} %`;
    const besides = isPart
      ? `; of the whole process the threads of V8 and libuv had ${threadSeconds.toFixed(2)} s, and the kernel ${kernel}`
      : `, ${kernel} of it in the kernel`;
    whys[what] = {
      title: "Where the time goes",
      about: `${name}, once more and under V8's profiler${part}: ${seconds.toFixed(2)} s of processor time${besides}`,
      parts: rooms.map(percent),
      functions: functions.map(percent),
    };
  }
  writeFileSync(noteFile(result.row), JSON.stringify(whys));
  return unique(Object.values(whys));
}

const quoted = (name: string): string => `\`${name}\``;
const percent = ({ what, percent: value }: { what: string; percent: number }): Figure => ({ what, value, unit: "%" });

/** Claims of one process have the same reason. */
function unique(whys: readonly Why[]): Why[] {
  return [...new Map(whys.map((why) => [why.about, why])).values()];
}

/** Runs a row once more, for a profile, in a bench of its own. Returns why these claims are missed. */
export function whysOf(row: string, claims: readonly Claim[]): Why[] {
  const missed = claims.filter(isMissed);
  const bench = fileURLToPath(new URL("run.js", import.meta.url));
  const { status } = spawnSync(process.execPath, [bench, row, "--profile"], { stdio: ["ignore", "ignore", "inherit"] });
  if (status !== 0) process.stderr.write(`bench: ${row}: has no profile that says why it misses its target\n`);
  if (status !== 0 || !existsSync(noteFile(row))) return [];
  const whys = JSON.parse(readFileSync(noteFile(row), "utf8")) as Whys;
  return unique(missed.flatMap(({ what }) => whys[what] ?? []));
}
