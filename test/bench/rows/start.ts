import { spawnSync } from "node:child_process";
import { VERSION } from "../../../collectors/runtime/version.ts";
import { median, REJOIN, versionsOf } from "../measure.ts";
import { NODE_FLAGS, PROFILING } from "../profile.ts";
import type { Row, RowResult } from "../result.ts";

const STARTS = PROFILING ? 1 : 21;
const TARGET = 2.5;

/** The wall time of the shortest command, against that of Node alone. */
export const START: Row = { name: "start", run };

async function run(): Promise<RowResult> {
  const rejoin: number[] = [];
  const node: number[] = [];
  let printed = "";
  for (let i = 0; i < STARTS; i++) {
    rejoin.push(millis(() => (printed = start(...NODE_FLAGS, REJOIN, "--version"))));
    node.push(millis(() => start("-e", "0")));
  }
  const [took, other] = [median(rejoin), median(node)];
  return {
    row: "start",
    about: `rejoin --version and node -e 0 in turn, ${STARTS} times, wall time`,
    against: versionsOf("node"),
    figures: [
      { what: "rejoin --version", value: took, unit: "ms" },
      { what: "node -e 0", value: other, unit: "ms" },
    ],
    claims: [
      {
        ...{ what: "times node", value: took / other, target: TARGET },
        process: { name: "`rejoin --version`", words: ["--version"] },
      },
    ],
    differences: printed.trim() === VERSION ? [] : [`version: ${printed.trim()} instead of ${VERSION}`],
  };
}

const start = (...args: readonly string[]): string => spawnSync(process.execPath, args, { encoding: "utf8" }).stdout;

function millis(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}
