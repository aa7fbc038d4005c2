import { median, ROUNDS } from "../measure.ts";
import type { Claim, Figure, MeasuredPart } from "../result.ts";
import type { FrameKind } from "./frames.ts";
import type { Cpu, MeasuredProcess } from "./process.ts";
import { Wire } from "./wire.ts";

/** Packets that are sent first, and how many a second: a program that is not compiled yet takes no more. */
const WARM_UP = 60_000;
const WARM_UP_RATE = 40_000;
/** A sender that takes longer by more than this was no sender of the rate. */
const SLACK = 1.02;

/** A program that takes packets off a wire. */
export interface LiveContestant {
  readonly name: string;
  readonly start: (wire: Wire) => MeasuredProcess;
  /** What it says when it takes packets. */
  readonly ready: RegExp;
  /** Packets of a turn, and how many a second. */
  readonly packets: number;
  readonly rate: number;
  readonly signal: NodeJS.Signals;
  /** What stands in its command line. */
  readonly words: readonly string[];
  /** Of all packets, once it has ended: those that it took, and those that its kernel had no room for. */
  readonly counted: (process: MeasuredProcess) => { readonly taken: number; readonly lost: number };
}

/** What a turn took. */
interface WireTurn {
  readonly cpu: Cpu;
  /** Of user and system, in nanoseconds for each packet. */
  readonly nanos: number;
  /** Packets a second. */
  readonly rate: number;
}

/** What a contestant did: its turns, and packets of all of them and of warming up. */
export interface WireRun {
  readonly turns: readonly WireTurn[];
  readonly taken: number;
  readonly lost: number;
}

/** All packets that a contestant is sent. */
export const packetsOf = ({ packets }: LiveContestant): number => WARM_UP + ROUNDS * packets;

/**
 * Measures programs in turn, ROUNDS times each, each on a wire of its own; one that is sent fewer packets gets the first of
 * them.
 */
export async function contest(
  row: string,
  kind: FrameKind,
  contestants: readonly LiveContestant[],
): Promise<WireRun[]> {
  const lanes: Lane[] = [];
  try {
    for (const contestant of contestants) lanes.push(await Lane.open(kind, contestant));
    for (let round = 0; round < ROUNDS; round++) {
      for (const lane of lanes) {
        const { nanos, rate } = await lane.turn();
        process.stderr.write(
          `bench: ${row}: ${lane.contestant.name}: ${Math.round(nanos)} ns per packet at ${Math.round(rate)} a second\n`,
        );
      }
    }
    const runs: WireRun[] = [];
    for (const lane of lanes) runs.push(await lane.end());
    return runs;
  } finally {
    for (const lane of lanes) await lane.close();
  }
}

/** A contestant at the end of its wire, compiled. */
class Lane {
  readonly contestant: LiveContestant;
  private readonly wire: Wire;
  private readonly program: MeasuredProcess;
  private readonly turns: WireTurn[] = [];
  private sent = WARM_UP;

  private constructor(contestant: LiveContestant, wire: Wire, program: MeasuredProcess) {
    this.contestant = contestant;
    this.wire = wire;
    this.program = program;
  }

  static async open(kind: FrameKind, contestant: LiveContestant): Promise<Lane> {
    const wire = await Wire.open(kind, packetsOf(contestant));
    try {
      const program = contestant.start(wire);
      await program.says(contestant.ready);
      await wire.send({ from: 0, to: WARM_UP, rate: WARM_UP_RATE });
      return new Lane(contestant, wire, program);
    } catch (error) {
      await wire.close();
      throw error;
    }
  }

  async turn(): Promise<WireTurn> {
    const { packets, rate } = this.contestant;
    const before = this.program.cpu();
    const seconds = await this.wire.send({ from: this.sent, to: this.sent + packets, rate });
    const after = this.program.cpu();
    this.sent += packets;
    const cpu = { user: after.user - before.user, system: after.system - before.system };
    const turn = { cpu, nanos: ((cpu.user + cpu.system) * 1e9) / packets, rate: packets / seconds };
    this.turns.push(turn);
    return turn;
  }

  async end(): Promise<WireRun> {
    await this.program.end(this.contestant.signal);
    return { turns: this.turns, ...this.contestant.counted(this.program) };
  }

  /** Ends what still runs. */
  close(): Promise<void> {
    return this.wire.close();
  }
}

/** That no packet was lost at the rate of a contestant, and that the sender kept up with it. */
export function noLoss(contestant: LiveContestant, run: WireRun | undefined): Claim[] {
  const { rate, packets } = contestant;
  const seconds = packets / rate;
  return [
    {
      what: `packets lost, at ${rate.toLocaleString("en")} a second`,
      value: run?.lost ?? Number.NaN,
      target: 0,
      process: processOf(contestant),
    },
    {
      what: `seconds to send packets of ${seconds} ${seconds === 1 ? "second" : "seconds"}`,
      value: medianOf(run, (turn) => packets / turn.rate),
      target: seconds * SLACK,
      process: processOf(contestant),
    },
  ];
}

/** A contestant that is rejoin, to find it among processes that were profiled. */
export const processOf = ({ name, words }: LiveContestant): MeasuredPart => ({ name: `The receiver (${name})`, words });

/** Processor time per packet of a contestant, for people. */
export const perPacket = ({ name }: LiveContestant, run: WireRun | undefined): Figure => ({
  ...{ what: name, unit: "ns per packet" },
  value: medianOf(run, ({ nanos }) => nanos),
});

/** Packets that a contestant took, or knows that it lost. */
export const accounted = (run: WireRun | undefined): number => (run?.taken ?? Number.NaN) + (run?.lost ?? Number.NaN);

/** Of all packets that a contestant was sent those that it did not take, for people. */
export const missedBy = (contestant: LiveContestant, run: WireRun | undefined): Figure => ({
  ...{ what: `${contestant.name} did not take`, unit: `of ${packetsOf(contestant).toLocaleString("en")} packets` },
  value: packetsOf(contestant) - (run?.taken ?? Number.NaN),
});

/** The median over turns of a figure of each. NaN of a contestant that was not measured. */
export const medianOf = (run: WireRun | undefined, figure: (turn: WireTurn) => number): number =>
  median((run?.turns ?? []).map(figure));
