import { setImmediate, setTimeout } from "node:timers/promises";
import { PacketVector } from "../../src/vector.ts";
import type { Capture, TakeVector } from "../linux/capture.ts";
import type { CaptureInput } from "../offline/capture-input.ts";
import { openCaptures } from "../offline/captures.ts";
import { OperationalError } from "../runtime/errors.ts";

/** A packet that is due within this time is sent now: timers are no finer. */
const TIMER_MICROS = 1000;

/** Ties packet time to this process's time, so that replays of several agents are played as one observation. */
export interface ReplayBegin {
  /** Packet time, microseconds since 1970. */
  readonly packetMicros: number;
  /** When it is played, by `performance.now()`. */
  readonly atMs: number;
}

/** Which captures are replayed, and how fast. */
export interface ReplayOptions {
  readonly files: readonly string[];
  /** Times the pace at which the packets were captured; infinite for as fast as they can be sent. */
  readonly speed: number;
  /** Null: the files' first packet is sent at once. */
  readonly begin: ReplayBegin | null;
  /** Waits until there is room to send more; a replay is in no hurry. */
  readonly room: () => Promise<void>;
  /** Is told of a file that is named twice, in one line: it is replayed once. */
  readonly warn: (line: string) => void;
}

/** A file and the packet of its vector that comes next. */
interface Reading {
  readonly input: CaptureInput;
  next: number;
}

/** Capture files in place of interfaces: their packets, merged by time, at the pace they were captured at or another. */
export class Replay implements Capture {
  readonly kind = "replay";
  /** Files that were cut short or damaged: one line each, complete once `run` has resolved. */
  readonly damage: string[] = [];
  private readonly options: ReplayOptions;
  private readonly inputs: readonly CaptureInput[];
  private readonly stopped = new AbortController();

  private constructor(options: ReplayOptions, inputs: readonly CaptureInput[]) {
    this.options = options;
    this.inputs = inputs;
  }

  /** Opens the files. Rejects with an OperationalError when one of them cannot be read at all. */
  static async open(options: ReplayOptions): Promise<Replay> {
    const { inputs, unreadable, again } = await openCaptures(options.files, process.stdin);
    const [first] = unreadable;
    if (first !== undefined) {
      for (const { input } of inputs) input.close();
      throw new OperationalError("unreadable", first);
    }
    for (const line of again) options.warn(line);
    for (const [k, { input }] of inputs.entries()) input.number(k);
    return new Replay(
      options,
      inputs.map(({ input }) => input),
    );
  }

  async run(take: TakeVector): Promise<void> {
    try {
      await this.replay(take);
    } finally {
      for (const input of this.inputs) {
        if (input.damage !== null) this.damage.push(input.damage);
        input.close();
      }
    }
  }

  stop(): void {
    this.stopped.abort();
  }

  renewFilter(): null {
    // There is none.
    return null;
  }

  lost(): number {
    return 0;
  }

  private async replay(take: TakeVector): Promise<void> {
    const { speed, room } = this.options;
    const readings: Reading[] = this.inputs
      .filter(({ vector }) => vector.length > 0)
      .map((input) => ({ input, next: 0 }));
    const batch = new PacketVector();
    const [first] = readings;
    if (first === undefined) return;
    batch.use(first.input.vector.block); // all files lie in one block
    const hand = async (): Promise<void> => {
      take(batch);
      batch.clear();
      await room();
      await setImmediate();
    };
    const begin = this.options.begin ?? { packetMicros: first.input.nextMicros, atMs: performance.now() };
    for (
      let reading = earliest(readings);
      reading !== null && !this.stopped.signal.aborted;
      reading = earliest(readings)
    ) {
      const { input } = reading;
      const { vector } = input;
      const i = reading.next++;
      const dueMs = ((vector.atMicros[i] ?? 0) - begin.packetMicros) / 1000 / speed;
      const waitMs = dueMs - (performance.now() - begin.atMs);
      if (waitMs * 1000 > TIMER_MICROS) {
        if (batch.length > 0) await hand();
        await this.pause(waitMs);
        if (this.stopped.signal.aborted) return;
      }
      batch.add(
        vector.at[i] ?? 0,
        vector.captured[i] ?? 0,
        vector.wire[i] ?? 0,
        vector.atMicros[i] ?? 0,
        vector.linkType[i] ?? 0,
        vector.source[i] ?? 0,
      );
      const last = reading.next === vector.length;
      // The file's window may be refilled, so what lies in it goes first.
      if (last || batch.full) await hand();
      if (last) {
        reading.next = 0;
        if (!(await input.next())) readings.splice(readings.indexOf(reading), 1);
      }
    }
    if (batch.length > 0) await hand();
  }

  private async pause(ms: number): Promise<void> {
    try {
      await setTimeout(ms, undefined, { signal: this.stopped.signal });
    } catch (error) {
      if (!this.stopped.signal.aborted) throw error;
    }
  }
}

/** The file whose next packet is the earliest; the first of equals. */
function earliest(readings: readonly Reading[]): Reading | null {
  let found: Reading | null = null;
  let foundMicros = Number.POSITIVE_INFINITY;
  for (const reading of readings) {
    const micros = reading.input.vector.atMicros[reading.next] ?? 0;
    if (found === null || micros < foundMicros) {
      found = reading;
      foundMicros = micros;
    }
  }
  return found;
}
