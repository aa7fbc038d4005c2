import { fileURLToPath } from "node:url";
import { median, REJOIN } from "../measure.ts";
import type { HandOver } from "../programs/hand-over.ts";
import { runProgram } from "../programs.ts";
import type { Row, RowResult } from "../result.ts";

const CAPTURES = ["router1", "router2"].map((router) =>
  fileURLToPath(new URL(`../../../../collectors/demo/captures/${router}.pcap.gz`, import.meta.url)),
);

/** Encoding a record where it was made, against handing the object to a thread that encodes it, which takes a clone. */
export const HANDOVER: Row = { name: "handover", run };

async function run(): Promise<RowResult> {
  const { output } = runProgram("hand-over", REJOIN, ...CAPTURES);
  const { encoded, cloned, written, wrong } = JSON.parse(output) as HandOver;
  const [encoding, cloning] = [median(encoded), median(cloned)];
  return {
    row: "handover",
    about: "records of the sessions of `npm run demo`, one after the other, in one process",
    against: [{ name: "structuredClone of Node", version: process.version }],
    figures: [
      { what: "MessagePack", value: encoding, unit: "µs per record" },
      { what: "structured clone", value: cloning, unit: "µs per record" },
      { what: "of it on the side that hands over", value: median(written), unit: "µs per record" },
    ],
    claims: [
      {
        ...{ what: "times a clone", value: encoding / cloning, target: 1 },
        process: { name: "MessagePack", words: ["hand-over"], within: ["encoded"] },
      },
    ],
    differences: wrong === 0 ? [] : [`${wrong} records came out as others`],
  };
}
