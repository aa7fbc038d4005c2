import { median, ROUNDS } from "../measure.ts";
import type { Claim, Figure, MeasuredPart } from "../result.ts";
import type { Cpu, MeasuredProcess } from "./process.ts";
import type { Wire } from "./wire.ts";

/** Packets that are sent first, and how many a second: a program that is not compiled yet takes no more. */
const WARM_UP = 100_000;
const WARM_UP_RATE = 40_000;
/** A sender that takes longer by more than this was no sender of the rate. */
const SLACK = 1.02;

/** A program that takes packets off a wire. */
export interface LiveContestant {
  readonly name: string;
  readonly start: (wire: Wire) => MeasuredProcess;
  /** What it says when it takes packets. */
  readonly ready: RegExp;
  /** Packets measured, after those of warming up, and how many a second. */
  readonly packets: number;
  readonly rate: number;
  readonly signal: NodeJS.Signals;
  /** What stands in its command line. */
  readonly words: readonly string[];
  /** Of all packets, once it has ended: those that it took, and those that its kernel had no room for. */
  readonly counted: (process: MeasuredProcess) => { readonly taken: number; readonly lost: number };
}

/** What one run found. */
export interface LiveRun {
  readonly cpu: Cpu;
  /** Of user and system, in nanoseconds for each packet that was measured. */
  readonly nanos: number;
  readonly taken: number;
  readonly lost: number;
  /** Packets a second while they were measured. */
  readonly rate: number;
}

/** Most packets that a contestant is sent. */
export const packetsOf = ({ packets }: LiveContestant): number => WARM_UP + packets;

/** Measures programs in turn, ROUNDS times each, with the same packets. */
export async function contest(row: string, wire: Wire, contestants: readonly LiveContestant[]): Promise<LiveRun[][]> {
  const runs = contestants.map((): LiveRun[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, contestant] of contestants.entries()) {
      const run = await runOnce(wire, contestant);
      runs[i]?.push(run);
      process.stderr.write(
        `bench: ${row}: ${contestant.name}: ${Math.round(run.nanos)} ns per packet at ${Math.round(run.rate)} a second, ${run.lost} lost\n`,
      );
    }
  }
  return runs;
}

async function runOnce(wire: Wire, contestant: LiveContestant): Promise<LiveRun> {
  const { packets, rate, signal } = contestant;
  const program = contestant.start(wire);
  try {
    await program.says(contestant.ready);
    await wire.send({ from: 0, to: WARM_UP, rate: WARM_UP_RATE });
    const before = program.cpu();
    const seconds = await wire.send({ from: WARM_UP, to: WARM_UP + packets, rate });
    const after = program.cpu();
    await program.end(signal);
    const cpu = { user: after.user - before.user, system: after.system - before.system };
    const { taken, lost } = contestant.counted(program);
    return { cpu, nanos: ((cpu.user + cpu.system) * 1e9) / packets, taken, lost, rate: packets / seconds };
  } finally {
    await program.end("SIGKILL");
  }
}

/** That no packet was lost at the rate of a contestant, and that the sender kept up with it. */
export function noLoss(contestant: LiveContestant, runs: readonly LiveRun[]): Claim[] {
  const { rate, packets } = contestant;
  const seconds = packets / rate;
  return [
    {
      what: `packets lost, at ${rate.toLocaleString("en")} a second`,
      value: medianOf(runs, ({ lost }) => lost),
      target: 0,
      process: processOf(contestant),
    },
    {
      what: `seconds to send packets of ${seconds} seconds`,
      value: medianOf(runs, (run) => packets / run.rate),
      target: seconds * SLACK,
      process: processOf(contestant),
    },
  ];
}

/** A contestant that is rejoin, to find it among processes that were profiled. */
export const processOf = ({ name, words }: LiveContestant): MeasuredPart => ({ name: `The receiver (${name})`, words });

/** Processor time per packet of a contestant, for people. */
export const perPacket = ({ name }: LiveContestant, runs: readonly LiveRun[]): Figure => ({
  ...{ what: name, unit: "ns per packet" },
  value: medianOf(runs, ({ nanos }) => nanos),
});

/** The median over runs of a figure of each. */
export const medianOf = (runs: readonly LiveRun[] = [], figure: (run: LiveRun) => number): number =>
  median(runs.map(figure));
