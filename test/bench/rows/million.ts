import { fedBy, feedInTurn, liveWorkload, setUpMicros, turnNanos } from "../live/feeding.ts";
import type { Row, RowResult } from "../result.ts";

const TARGET = 2.5;
// A turn of a round each, behind the eight that fill a subflow's first mappings.
const MILLION = liveWorkload({ sessions: 1_000_000, firstRounds: 8, turnRounds: 1 });
const FEW = liveWorkload({ sessions: 10_000, firstRounds: 48, turnRounds: 40 });

/** Packets of a million live sessions, against those of ten thousand. */
export const MILLION_ROW: Row = { name: "million", run };

async function run(): Promise<RowResult> {
  const fed = await feedInTurn("million", [MILLION, FEW]);
  const [manyNanos = Number.NaN, fewNanos = Number.NaN] = fed.map(turnNanos);
  return {
    row: "million",
    about:
      "1,000,000 live sessions of 2.5 subflows, 12,500,000 data packets cut to 126 octets, in another order each round; " +
      "against 10,000 sessions, 5,000,000 packets; fed from memory; seed 3",
    against: [],
    figures: [
      { what: "1,000,000 sessions", value: manyNanos, unit: "ns per packet" },
      { what: "10,000 sessions", value: fewNanos, unit: "ns per packet" },
      ...[MILLION, FEW].map((workload, i) => ({
        what: `${workload.sessions.toLocaleString("en")} sessions, handshakes`,
        value: setUpMicros(fed[i]?.result, workload),
        unit: "µs per session",
      })),
    ],
    claims: [
      {
        ...{ what: "times the packet of 10,000 sessions", value: manyNanos / fewNanos, target: TARGET },
        process: fedBy("1,000,000 sessions", MILLION, "turn"),
      },
    ],
    differences: fed.flatMap(({ result }) => result.differences),
  };
}
