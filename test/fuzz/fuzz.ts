import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Random } from "../bench/random.ts";
import { leftIn, tableOctets } from "./census.ts";
import { type Base, corpus } from "./corpus.ts";
import { keysIn, mutated, playRound, Subject } from "./round.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Where a run stands. */
export interface Progress {
  readonly packets: number;
  readonly rounds: number;
  readonly records: number;
  /** JavaScript's heap after garbage was collected, and the tables of the lasting pipeline; 0 before the first look. */
  readonly heapOctets: number;
  readonly tableOctets: number;
}

/** Rounds between two looks at memory; what JavaScript's heap may grow by after the first, and what tables may have. */
const LOOK_EVERY = 400;
const GROWTH_OCTETS = 24 * 2 ** 20;
const TABLE_OCTETS = 256 * 2 ** 20;

/** Long enough for every session of a round to end before the next. */
const HOUR_MICROS = 3_600e6;

const BOUNDS = { sessions: 256, subflows: 512 };

/** The seed of one round, for `--round`. */
const seedOf = (seed: number, round: number): number =>
  (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(round, 0x85ebca6b)) >>> 0;

/**
 * Takes `packets` mutated packets through the pipeline: by turns through a fresh one and through one that lives for the
 * whole run, whose tables and memory must not grow. Throws at the first thing that breaks, and says seed and round.
 */
export class Fuzz {
  private readonly seed: number;
  private readonly bases: readonly Base[] = corpus();
  private readonly secrets = keysIn(this.bases);
  private readonly lasting: Subject;
  private fromMicros = 1.6e15;
  private packets = 0;
  private heapOctets = 0;
  private heapAtFirst = 0;
  private tableOctets = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.lasting = new Subject({ bounds: BOUNDS }, new Random(seed), this.secrets);
  }

  /** Plays rounds until so many packets went through; `report` hears of it now and then. */
  run(packets: number, report: (progress: Progress) => void = () => undefined): Progress {
    let round = 0;
    for (; this.packets < packets; round++) {
      this.round(round);
      if (round % LOOK_EVERY === LOOK_EVERY - 1) {
        this.look(round);
        report(this.progress(round));
      }
    }
    this.lasting.finish();
    return this.progress(round);
  }

  /** One round again; odd ones depend on those before them. */
  round(round: number): void {
    try {
      if (round % 2 === 0) this.packets += playRound(seedOf(this.seed, round), this.bases, this.secrets);
      else this.last(round);
    } catch (error) {
      throw new Error(`seed ${this.seed}, round ${round}: ${(error as Error).message}`, { cause: error });
    }
  }

  private last(round: number): void {
    const random = new Random(seedOf(this.seed, round));
    const { packets } = mutated(random, this.bases);
    const shift = this.fromMicros - (packets[0]?.atMicros ?? 0);
    const before = this.lasting.given;
    this.lasting.feed(
      packets.map((packet) => ({ ...packet, atMicros: packet.atMicros + shift })),
      64,
    );
    this.lasting.account();
    this.fromMicros += 2 * HOUR_MICROS;
    this.packets += this.lasting.given - before;
    const { live } = this.lasting.pipeline.totals().sessions;
    if (live > BOUNDS.sessions) throw new Error(`${live} sessions alive, of ${BOUNDS.sessions}`);
  }

  private look(round: number): void {
    collectGarbage();
    this.heapOctets = process.memoryUsage().heapUsed;
    if (this.heapAtFirst === 0) this.heapAtFirst = this.heapOctets;
    this.tableOctets = tableOctets(this.lasting.pipeline);
    const growth = this.heapOctets - this.heapAtFirst;
    if (growth > GROWTH_OCTETS || this.tableOctets > TABLE_OCTETS) {
      const held = leftIn(this.lasting.pipeline).join(", ");
      throw new Error(`round ${round}: ${growth} octets more, ${this.tableOctets} octets of tables; held: ${held}`);
    }
  }

  private progress(rounds: number): Progress {
    return {
      packets: this.packets,
      rounds,
      records: this.lasting.records,
      heapOctets: this.heapOctets,
      tableOctets: this.tableOctets,
    };
  }
}
