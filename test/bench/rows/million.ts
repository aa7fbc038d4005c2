import { fedBy, feed, liveWorkload, setUpMicros, steadyNanos } from "../live/feeding.ts";
import type { Row, RowResult } from "../result.ts";

const TARGET = 2.5;
const MILLION = liveWorkload({ sessions: 1_000_000, rounds: 8, warmUpRounds: 2 });
const FEW = liveWorkload({ sessions: 10_000, rounds: 160, warmUpRounds: 40 });

/** Packets of a million live sessions, against those of ten thousand. */
export const MILLION_ROW: Row = { name: "million", run };

async function run(): Promise<RowResult> {
  // The long run between two short ones, so that a slower minute meets both.
  const before = feed("million", FEW);
  const many = [feed("million", MILLION)];
  const few = [before, feed("million", FEW), feed("million", FEW)];
  const [manyNanos, fewNanos] = [steadyNanos(many), steadyNanos(few)];
  return {
    row: "million",
    about:
      "1,000,000 live sessions of 2.5 subflows, 15,000,000 data packets cut to 126 octets, in another order each round; " +
      "against 10,000 sessions, 3,000,000 packets; fed from memory; seed 3",
    against: [],
    figures: [
      { what: "1,000,000 sessions", value: manyNanos, unit: "ns per packet" },
      { what: "10,000 sessions", value: fewNanos, unit: "ns per packet" },
      { what: "1,000,000 sessions, handshakes", value: setUpMicros(many, MILLION.sessions), unit: "µs per session" },
      { what: "10,000 sessions, handshakes", value: setUpMicros(few, FEW.sessions), unit: "µs per session" },
    ],
    claims: [
      {
        ...{ what: "times the packet of 10,000 sessions", value: manyNanos / fewNanos, target: TARGET },
        process: fedBy("1,000,000 sessions", MILLION, "sendRound"),
      },
    ],
    differences: [...many, ...few].flatMap(({ differences }) => differences),
  };
}
