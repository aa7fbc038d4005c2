import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FOLDER } from "./files.ts";
import { type CpuProfile, flameGraph } from "./flame-graph.ts";

/** Whether rows are run for a profile, once each. */
export const PROFILING = process.argv.includes("--profile");
const PROFILES = join(FOLDER, "profiles");

/** What Node is told besides, where it runs what is measured. */
export const NODE_FLAGS: readonly string[] = PROFILING ? ["--cpu-prof", `--cpu-prof-dir=${PROFILES}`] : [];

/**
 * Runs a row and draws what its processes of Node did: `bench-data/ROW-1.svg`, and beside it V8's own profile, which browsers
 * open in their tools for developers. Returns the names of the flame graphs.
 */
export async function profiled(row: string, work: () => Promise<unknown>): Promise<string[]> {
  rmSync(PROFILES, { recursive: true, force: true });
  mkdirSync(PROFILES, { recursive: true });
  await work();
  return readdirSync(PROFILES)
    .toSorted()
    .map((file, n) => {
      const name = join(FOLDER, `${row}-${n + 1}`);
      const text = readFileSync(join(PROFILES, file), "utf8");
      writeFileSync(`${name}.svg`, flameGraph(`${row}, process ${n + 1}`, JSON.parse(text) as CpuProfile));
      renameSync(join(PROFILES, file), `${name}.cpuprofile`);
      return `${name}.svg`;
    });
}
