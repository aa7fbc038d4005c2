import { expect, it } from "vitest";
import { type CpuProfile, flameGraph } from "./flame-graph.ts";

const node = (id: number, functionName: string, children: number[] = []) => ({
  ...{ id, children },
  callFrame: {
    functionName,
    url: functionName.startsWith("(") ? "" : "file:///a/b/pipeline.js",
    lineNumber: 9,
    columnNumber: 0,
  },
});

/** 2 ms in all: `process` for 1.5 ms, of which `take<T>` has 0.5; garbage for 0.5; and 7 ms of nothing. */
const PROFILE: CpuProfile = {
  nodes: [
    node(1, "(root)", [2, 4, 5]),
    node(2, "process", [3]),
    node(3, "take<T>"),
    node(4, "(garbage collector)"),
    node(5, "(idle)"),
  ],
  samples: [2, 3, 4, 5, 2],
  timeDeltas: [99, 1000, 500, 500, 7000],
};

it("gives a frame its time, what it calls above it, and nothing to what was idle", () => {
  const frames = flameGraph("a row", PROFILE)
    .split("\n")
    .flatMap((line) => {
      const [, told, x, y, width] = /<title>(.*)<\/title><rect x="(.*?)" y="(\d+)" width="(.*?)"/.exec(line) ?? [];
      return told === undefined ? [] : [[told, Number(x), Number(y), Number(width)]];
    });
  expect(frames).toEqual([
    ["(root): 2.0 ms, 100.0 %", 0, 24, 1600],
    ["process pipeline.js:10: 1.5 ms, 75.0 %", 0, 41, 1200],
    ["take&lt;T&gt; pipeline.js:10: 0.5 ms, 25.0 %", 0, 58, 400],
    ["(garbage collector): 0.5 ms, 25.0 %", 1200, 41, 400],
  ]);
});
