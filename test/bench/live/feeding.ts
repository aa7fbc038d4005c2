import { median } from "../measure.ts";
import { runProgram, runUnprofiled } from "../programs.ts";
import type { MeasuredPart } from "../result.ts";
import type { LiveResult, LiveWorkload } from "./workload.ts";

/** A workload of no holes and 1, 2, 3, 4 subflows in turn, all of it measured, but for what is said otherwise. */
export function liveWorkload(
  workload: Partial<LiveWorkload> & Pick<LiveWorkload, "sessions" | "rounds">,
): LiveWorkload {
  return { subflows: null, holes: 0, seed: 3, warmUpRounds: 0, sessionsBefore: 0, ...workload };
}

/** Runs a workload in a process of its own. */
export function feed(row: string, workload: LiveWorkload): LiveResult {
  const { output, cpuSeconds } = runProgram("feed", JSON.stringify(workload));
  process.stderr.write(`bench: ${row}: ${JSON.stringify(workload)}: ${cpuSeconds.toFixed(2)} s\n`);
  return JSON.parse(output) as LiveResult;
}

/** Runs a workload once more, without a profile, which takes memory, and looks at what its memory consists of. */
export function takenApart(row: string, workload: LiveWorkload): LiveResult {
  const { output, cpuSeconds } = runUnprofiled("feed", JSON.stringify(workload), "--tables");
  process.stderr.write(`bench: ${row}: its memory taken apart: ${cpuSeconds.toFixed(2)} s\n`);
  return JSON.parse(output) as LiveResult;
}

/** What a workload's process does on the clock: for handshakes, or for packets of data. */
export const fedBy = (name: string, workload: LiveWorkload, of: "setUpSessions" | "sendRound"): MeasuredPart => ({
  ...{ name, words: [JSON.stringify(workload)] },
  within: [of, "time"],
});

/** Processor time per packet of the rounds that count, the median over runs, in nanoseconds. */
export const steadyNanos = (results: readonly LiveResult[]): number =>
  median(results.map(({ steadySeconds, steadyPackets }) => (steadySeconds * 1e9) / steadyPackets));

/** Processor time per session of its handshakes, the median over runs, in microseconds. */
export const setUpMicros = (results: readonly LiveResult[], sessions: number): number =>
  median(results.map(({ setUpSeconds }) => (setUpSeconds * 1e6) / sessions));
