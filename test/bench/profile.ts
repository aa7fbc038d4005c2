import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CpuAccount } from "./cpu-account.ts";
import { FOLDER } from "./files.ts";
import { type CpuProfile, flameGraph } from "./flame-graph.ts";

/** Whether rows are run for a profile, once each. */
export const PROFILING = process.argv.includes("--profile");
const PROFILES = join(FOLDER, "profiles");
/** Notes what the process took in all (cpu-account.ts). */
const ACCOUNT = new URL("cpu-account.js", import.meta.url).href;

/** What Node is told besides, where it runs what is measured. */
export const NODE_FLAGS: readonly string[] = PROFILING
  ? ["--cpu-prof", `--cpu-prof-dir=${PROFILES}`, `--import=${ACCOUNT}`]
  : [];

/** A process of a row that was profiled: what it took, and its threads' profiles, the main one's first. */
export interface ProfiledProcess {
  readonly account: CpuAccount;
  readonly profiles: readonly CpuProfile[];
}

/**
 * What a row's run left: its result, its processes in the order in which they began, and the names of their flame graphs.
 */
export interface Profiled<Result> {
  readonly result: Result;
  readonly processes: readonly ProfiledProcess[];
  readonly graphs: readonly string[];
}

/**
 * Runs a row and draws what its threads of Node did: `bench-data/ROW-1.svg`, and beside it V8's own profile, which browsers
 * open in their tools for developers.
 */
export async function profiled<Result>(row: string, work: () => Promise<Result>): Promise<Profiled<Result>> {
  rmSync(PROFILES, { recursive: true, force: true });
  mkdirSync(PROFILES, { recursive: true });
  const result = await work();
  const threads = readdirSync(PROFILES).flatMap(threadOf).toSorted(inOrder);
  const processes = new Map<string, CpuProfile[]>();
  const graphs = threads.map(({ file, pid }, n) => {
    const name = join(FOLDER, `${row}-${n + 1}`);
    const profile = JSON.parse(readFileSync(join(PROFILES, file), "utf8")) as CpuProfile;
    processes.set(pid, [...(processes.get(pid) ?? []), profile]);
    writeFileSync(`${name}.svg`, flameGraph(`${row}, thread ${n + 1}`, profile));
    renameSync(join(PROFILES, file), `${name}.cpuprofile`);
    return `${name}.svg`;
  });
  const told = [...processes].flatMap(([pid, profiles]) => {
    const account = accountOf(pid);
    return account === null ? [] : [{ account, profiles }];
  });
  return { result, processes: told, graphs };
}

/** A file that V8 has written of a thread: `CPU.DAY.TIME.PID.THREAD.NUMBER.cpuprofile`, thread 0 the main one. */
interface ThreadFile {
  readonly file: string;
  readonly began: string;
  readonly pid: string;
  readonly thread: number;
}

function threadOf(file: string): ThreadFile[] {
  const [, began, pid, thread] = /^CPU\.(\d+\.\d+)\.(\d+)\.(\d+)\.\d+\.cpuprofile$/.exec(file) ?? [];
  return began === undefined || pid === undefined ? [] : [{ file, began, pid, thread: Number(thread) }];
}

const inOrder = (a: ThreadFile, b: ThreadFile): number =>
  a.began.localeCompare(b.began) || Number(a.pid) - Number(b.pid) || a.thread - b.thread;

/** Null of a process that was killed. */
function accountOf(pid: string): CpuAccount | null {
  try {
    return JSON.parse(readFileSync(join(PROFILES, `${pid}.json`), "utf8")) as CpuAccount;
  } catch {
    return null;
  }
}
