import { feed, liveWorkload } from "../live/feeding.ts";
import type { LiveResult } from "../live/workload.ts";
import { median } from "../measure.ts";
import type { Row, RowResult } from "../result.ts";

const MOST_OCTETS = 640;
const LONGEST_PAUSE_MS = 20;
const RUNS = 3;
const WORKLOAD = liveWorkload({ sessions: 250_000, sessionsBefore: 50_000, rounds: 8 });

/** What a live session takes, and how long the garbage collector stops the process. */
export const MEMORY: Row = { name: "memory", run };

async function run(): Promise<RowResult> {
  const results = Array.from({ length: RUNS }, () => feed("memory", WORKLOAD));
  const sessions = WORKLOAD.sessions - WORKLOAD.sessionsBefore;
  const perSession = (of: (result: LiveResult) => number) => median(results.map(of)) / sessions;
  return {
    row: "memory",
    about:
      "250,000 live sessions of 2.5 subflows that have sent 20 packets each, cut to 126 octets, so that no octet is held: " +
      `what the process grew by after the first 50,000, median of ${RUNS} runs; seed 3`,
    against: [],
    figures: [
      { what: "V8's heap", value: perSession(({ heapGrowth }) => heapGrowth), unit: "octets per session" },
      { what: "arrays that grow", value: perSession(({ arrayGrowth }) => arrayGrowth), unit: "octets per session" },
      {
        what: "tables, whose memory is taken as they fill, and the rest",
        value: perSession(({ residentGrowth, heapGrowth, arrayGrowth }) => residentGrowth - heapGrowth - arrayGrowth),
        unit: "octets per session",
      },
    ],
    claims: [
      {
        what: "octets of the process per live session",
        value: perSession(({ residentGrowth }) => residentGrowth),
        target: MOST_OCTETS,
      },
      {
        what: "ms of the garbage collector's longest pause",
        value: median(results.map(({ longestPauseMs }) => longestPauseMs)),
        target: LONGEST_PAUSE_MS,
      },
    ],
    differences: results.flatMap(({ differences }) => differences),
  };
}
