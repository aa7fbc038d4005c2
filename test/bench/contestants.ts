import type { Totals } from "../../src/pipeline.ts";
import { type Contestant, measure, measureNode, REJOIN, type Run } from "./measure.ts";
import { runProgram } from "./programs.ts";
import type { MeasuredPart } from "./result.ts";

/** `rejoin read --summary` of a file, to be measured. */
export const rejoinSummary = (path: string): Contestant => ({
  name: "rejoin read --summary",
  run: () => measureNode([REJOIN, "read", "--summary", "--json", path]),
});

/** The process of that, to find it among those that were profiled. */
export const summaryOf = (path: string): MeasuredPart => ({
  name: "`rejoin read --summary`",
  words: ["read --summary", path],
});

/** tcpdump writing a file to nowhere, to be measured. */
export const tcpdumpOf = (path: string): Contestant => ({
  name: "tcpdump -w /dev/null",
  needs: "tcpdump",
  run: () => measure("tcpdump", ["-r", path, "-w", "/dev/null"]),
});

/** The totals that `rejoin read --summary --json` printed. */
export const totalsOf = (run: Run | undefined): Totals => JSON.parse(run?.output ?? "") as Totals;

/** Both streams of each session put together in order and thrown away, to be measured. */
export const putTogether = (path: string): Contestant => ({
  name: "streams in order",
  run: () => runProgram("put-together", path),
});
