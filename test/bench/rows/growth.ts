import { fedBy, feedInTurn, liveWorkload, turnNanos } from "../live/feeding.ts";
import type { LiveWorkload } from "../live/workload.ts";
import type { Claim, Figure, Row, RowResult } from "../result.ts";

/** Ten times as much of something may make a packet cost twice as much, which is caches; what is quadratic costs tenfold. */
const TARGET = 2;
const BASE = liveWorkload({ sessions: 200, subflows: 2, firstRounds: 1600, turnRounds: 320 });
/** As many packets for the compiler, and a turn of about as many. */
const FEWER_ROUNDS = { firstRounds: 160, turnRounds: 96 };
const HOLES = { ...BASE, holes: 32 };

/** What grows tenfold, from what to what. */
const GROWTHS: readonly (readonly [string, LiveWorkload, LiveWorkload])[] = [
  ["packets", BASE, { ...BASE, turnRounds: 3200 }],
  ["sessions", BASE, { ...BASE, sessions: 2_000, ...FEWER_ROUNDS }],
  ["subflows per session", BASE, { ...BASE, subflows: 20, ...FEWER_ROUNDS }],
  ["holes of a stream", HOLES, { ...HOLES, holes: 320 }],
];

/** Time per packet where ten times as much of something comes. */
export const GROWTH: Row = { name: "growth", run };

async function run(): Promise<RowResult> {
  const figures: Figure[] = [];
  const claims: Claim[] = [];
  const differences: string[] = [];
  for (const [what, base, tenfold] of GROWTHS) {
    const fed = await feedInTurn("growth", [base, tenfold]);
    const [one = Number.NaN, ten = Number.NaN] = fed.map(turnNanos);
    figures.push({ what: `${what}, once`, value: one, unit: "ns per packet" });
    figures.push({ what: `${what}, tenfold`, value: ten, unit: "ns per packet" });
    claims.push({
      ...{ what: `times a packet's time with tenfold ${what}`, value: ten / one, target: TARGET },
      process: fedBy(`Tenfold ${what}`, tenfold, "turn"),
    });
    differences.push(...fed.flatMap(({ result }) => result.differences));
  }
  return {
    row: "growth",
    about:
      "200 live sessions of 2 subflows, 3,200 packets each, in order or with 32 holes in each stream that are filled in no " +
      "order; and ten times the packets, sessions, subflows, holes; cut to 126 octets, fed from memory; seed 3",
    against: [],
    figures,
    claims,
    differences,
  };
}
