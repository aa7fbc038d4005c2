import { fedBy, feed, liveWorkload, setUpMicros } from "../live/feeding.ts";
import { PROFILING } from "../profile.ts";
import type { Row, RowResult } from "../result.ts";

const MOST_MICROS = 25;
const RUNS = PROFILING ? 1 : 3;
const WORKLOAD = liveWorkload({ sessions: 200_000, subflows: 2, rounds: 0 });

/** The handshakes of a session with one joined subflow. */
export const SETUP: Row = { name: "setup", run };

async function run(): Promise<RowResult> {
  const results = Array.from({ length: RUNS }, () => feed("setup", WORKLOAD));
  const { sessions } = WORKLOAD;
  const micros = setUpMicros(results, sessions);
  return {
    row: "setup",
    about:
      "200,000 handshakes of seven packets (MP_CAPABLE three, MP_JOIN four): both keys hashed, both HMACs verified; seed 3",
    against: [],
    figures: [
      {
        what: "ending, and what is counted of it",
        value: (Math.min(...results.map(({ endSeconds }) => endSeconds)) * 1e6) / sessions,
        unit: "µs per session",
      },
    ],
    claims: [
      {
        ...{ what: "µs per session", value: micros, target: MOST_MICROS },
        process: fedBy("Handshakes", WORKLOAD, "setUpSessions"),
      },
    ],
    differences: results.flatMap(({ differences }) => differences),
  };
}
