import { fedBy, feed, liveWorkload, setUpMicros } from "../live/feeding.ts";
import type { LiveResult } from "../live/workload.ts";
import { median, ROUNDS } from "../measure.ts";
import type { Row, RowResult } from "../result.ts";

const MOST_MICROS = 25;
const WORKLOAD = liveWorkload({ sessionsBefore: 20_000, sessions: 80_000, subflows: 2, firstRounds: 0 });

/** The handshakes of a session with one joined subflow. */
export const SETUP: Row = { name: "setup", run };

async function run(): Promise<RowResult> {
  const results: LiveResult[] = [];
  for (let round = 0; round < ROUNDS; round++) results.push(await feed("setup", WORKLOAD));
  return {
    row: "setup",
    about:
      "60,000 handshakes of seven packets (MP_CAPABLE three, MP_JOIN four), behind 20,000 others: both keys hashed, both HMACs verified; seed 3",
    against: [],
    figures: [
      {
        what: "ending, and what is counted of it",
        value: (median(results.map(({ endSeconds }) => endSeconds)) * 1e6) / WORKLOAD.sessions,
        unit: "µs per session",
      },
    ],
    claims: [
      {
        ...{
          what: "µs per session",
          value: median(results.map((result) => setUpMicros(result, WORKLOAD))),
          target: MOST_MICROS,
        },
        process: fedBy("Handshakes", WORKLOAD, "setUpMeasured"),
      },
    ],
    differences: results.flatMap(({ differences }) => differences),
  };
}
