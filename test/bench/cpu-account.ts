import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMainThread } from "node:worker_threads";

/** What a process of Node took until its end, beside its profile: of processor time, in microseconds. */
export interface CpuAccount {
  readonly pid: number;
  /** The program and its arguments. */
  readonly command: string;
  /** Of all threads, user and system. */
  readonly allMicros: number;
  readonly kernelMicros: number;
  /** Of the main thread, and of the thread that takes samples for the profile. Both 0 where the kernel does not tell. */
  readonly mainMicros: number;
  readonly profilerMicros: number;
}

const TASKS = "/proc/self/task";
/** What V8 calls its thread of samples. */
const PROFILER = "v8:ProfEvntProc";

/** Microseconds of a thread, by the scheduler's count. */
function threadMicros(task: string): number {
  try {
    return Number(readFileSync(`${TASKS}/${task}/schedstat`, "utf8").split(" ")[0]) / 1000;
  } catch {
    return 0; // the thread has ended, or the kernel does not count
  }
}

function isProfiler(task: string): boolean {
  try {
    return readFileSync(`${TASKS}/${task}/comm`, "utf8").trim() === PROFILER;
  } catch {
    return false;
  }
}

function account(): CpuAccount {
  const { user, system } = process.cpuUsage();
  const profilers = process.platform === "linux" ? readdirSync(TASKS).filter(isProfiler) : [];
  return {
    pid: process.pid,
    command: process.argv.slice(1).join(" "),
    allMicros: user + system,
    kernelMicros: system,
    mainMicros: threadMicros(String(process.pid)),
    profilerMicros: profilers.reduce((sum, task) => sum + threadMicros(task), 0),
  };
}

// Node loads this file before a program that is profiled (NODE_FLAGS of profile.ts).
const FLAG = "--cpu-prof-dir=";
const folder = process.execArgv.find((word) => word.startsWith(FLAG))?.slice(FLAG.length);
if (isMainThread && folder !== undefined) {
  process.on("exit", () => writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(account())));
}
