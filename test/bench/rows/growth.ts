import { fedBy, feed, liveWorkload, steadyNanos } from "../live/feeding.ts";
import type { LiveResult, LiveWorkload } from "../live/workload.ts";
import { PROFILING } from "../profile.ts";
import type { Claim, Figure, Row, RowResult } from "../result.ts";

const RUNS = PROFILING ? 1 : 3;
/** Ten times as much of something may make a packet cost twice as much, which is caches; what is quadratic costs tenfold. */
const TARGET = 2;
const BASE = liveWorkload({ sessions: 200, subflows: 2, rounds: 1280, warmUpRounds: 320 });
const HOLES = { ...BASE, holes: 32 };

/** What grows tenfold, from what to what. */
const GROWTHS: readonly (readonly [string, LiveWorkload, LiveWorkload])[] = [
  ["packets", BASE, { ...BASE, rounds: 12_800 }],
  ["sessions", BASE, { ...BASE, sessions: 2_000 }],
  ["subflows per session", BASE, { ...BASE, subflows: 20 }],
  ["holes of a stream", HOLES, { ...HOLES, holes: 320 }],
];

/** Time per packet where ten times as much of something comes. */
export const GROWTH: Row = { name: "growth", run };

async function run(): Promise<RowResult> {
  const figures: Figure[] = [];
  const claims: Claim[] = [];
  const differences: string[] = [];
  const take = (what: string, results: readonly LiveResult[]): number => {
    const value = steadyNanos(results);
    figures.push({ what, value, unit: "ns per packet" });
    differences.push(...results.flatMap((result) => result.differences));
    return value;
  };
  for (const [what, base, tenfold] of GROWTHS) {
    const few: LiveResult[] = [];
    const many: LiveResult[] = [];
    for (let i = 0; i < RUNS; i++) {
      few.push(feed("growth", base));
      many.push(feed("growth", tenfold));
    }
    const [one, ten] = [take(`${what}, once`, few), take(`${what}, tenfold`, many)];
    claims.push({
      ...{ what: `times a packet's time with tenfold ${what}`, value: ten / one, target: TARGET },
      process: fedBy(`Tenfold ${what}`, tenfold, "sendRound"),
    });
  }
  return {
    row: "growth",
    about:
      "200 live sessions of 2 subflows, 1,280 packets each, in order or with 32 holes in each stream that are filled in no " +
      "order; and ten times the packets, sessions, subflows, holes; cut to 126 octets, fed from memory; seed 3",
    against: [],
    figures,
    claims,
    differences,
  };
}
