import { median, ROUNDS } from "../measure.ts";
import { turnProgram, unprofiled } from "../programs.ts";
import type { MeasuredPart } from "../result.ts";
import { inTurn, type TurnProgram } from "../turns.ts";
import type { LiveResult, LiveTurn, LiveWorkload } from "./workload.ts";

/** A workload of no holes, 1, 2, 3, 4 subflows in turn and no turns, but for what is said otherwise. */
export function liveWorkload(
  workload: Partial<LiveWorkload> & Pick<LiveWorkload, "sessions" | "firstRounds">,
): LiveWorkload {
  const turns = (workload.turnRounds ?? 0) > 0 ? ROUNDS : 0;
  return { subflows: null, holes: 0, seed: 3, turnRounds: 0, sessionsBefore: 0, turns, ...workload };
}

/** Runs a workload that has no turns in a process of its own. */
export function feed(row: string, workload: LiveWorkload): Promise<LiveResult> {
  return alone(row, start(workload));
}

/** What processes found that took their turns. */
export interface Fed {
  readonly turns: readonly LiveTurn[];
  readonly result: LiveResult;
}

/** Sets the sessions of several workloads up, each in a process of its own, and lets these take turns. */
export async function feedInTurn(row: string, workloads: readonly LiveWorkload[]): Promise<Fed[]> {
  const programs = workloads.map(start);
  try {
    for (const program of programs) await program.turn();
    const turns = await inTurn<LiveTurn>(programs, (i, turn) =>
      process.stderr.write(`bench: ${row}: ${Math.round(nanosOf(turn))} ns: ${JSON.stringify(workloads[i])}\n`),
    );
    const fed: Fed[] = [];
    for (const [i, program] of programs.entries()) {
      fed.push({ turns: turns[i] ?? [], result: await ended(row, program) });
    }
    return fed;
  } finally {
    for (const program of programs) await program.close();
  }
}

/** Runs a workload once more, without a profile, which takes memory, and looks at what its memory consists of. */
export function takenApart(row: string, workload: LiveWorkload): Promise<LiveResult> {
  return alone(row, unprofiled("feed", JSON.stringify(workload), "--tables"));
}

const start = (workload: LiveWorkload): TurnProgram => turnProgram("feed", JSON.stringify(workload));

async function alone(row: string, program: TurnProgram): Promise<LiveResult> {
  try {
    await program.turn();
    return await ended(row, program);
  } finally {
    await program.close();
  }
}

async function ended(row: string, program: TurnProgram): Promise<LiveResult> {
  const result = await program.turn<LiveResult>();
  await program.end();
  process.stderr.write(`bench: ${row}: measured\n`);
  return result;
}

/** What a workload's process does on the clock: for the handshakes that are measured, or for packets of its turns. */
export const fedBy = (name: string, workload: LiveWorkload, of: "setUpMeasured" | "turn"): MeasuredPart => ({
  ...{ name, words: [JSON.stringify(workload)] },
  within: [of, "time"],
});

const nanosOf = ({ seconds, packets }: LiveTurn): number => (seconds * 1e9) / packets;

/** Processor time per packet, the median over turns, in nanoseconds. */
export const turnNanos = ({ turns }: Fed): number => median(turns.map(nanosOf));

/** Processor time per session of the handshakes that are measured, in microseconds. */
export const setUpMicros = (result: LiveResult | undefined, { sessions, sessionsBefore }: LiveWorkload): number =>
  ((result?.setUpSeconds ?? Number.NaN) * 1e6) / (sessions - sessionsBefore);
