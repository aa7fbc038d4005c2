import { describe, expect, it } from "vitest";
import type { CpuProfile } from "./flame-graph.ts";
import { sharesOf } from "./shares.ts";

const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
  ...{ id, children },
  callFrame: { functionName, url, lineNumber: id, columnNumber: 0 },
});

/** Milliseconds of each node, one sample each. */
function profile(nodes: CpuProfile["nodes"], millis: Readonly<Record<number, number>>): CpuProfile {
  const spent = Object.entries(millis);
  return {
    nodes,
    samples: [...spent.map(([id]) => Number(id)), 0],
    timeDeltas: [0, ...spent.map(([, ms]) => ms * 1000)],
  };
}

/** 80 ms of JavaScript and garbage, 15 native, 200 of nothing. */
const MAIN = profile(
  [
    node(1, "(root)", "", [2, 6, 7, 8]),
    node(2, "run", "bench", [3]),
    node(3, "process", "pipeline", [4, 5]),
    node(4, "takeSteady", "session"),
    node(5, "read", ""),
    node(6, "(garbage collector)", ""),
    node(7, "(program)", ""),
    node(8, "(idle)", "", []),
  ],
  { 2: 10, 3: 20, 4: 30, 5: 12, 6: 8, 7: 15, 8: 200 },
);
const WORKER = profile([node(1, "(root)", "", [2, 3]), node(2, "encode", "schema"), node(3, "(idle)", "")], {
  2: 25,
  3: 500,
});
const SOURCES: Readonly<Record<string, string>> = {
  bench: "test/bench/live/window.ts",
  pipeline: "src/pipeline.ts",
  session: "src/session/steady-path.ts",
  schema: "schema/encoding.ts",
};
const sourceOf = (url: string) => SOURCES[url] ?? null;
const account = (all: number, main: number, profiler = 0) => ({
  ...{ pid: 1, command: "rejoin", kernelMicros: 0 },
  ...{ allMicros: all * 1000, mainMicros: main * 1000, profilerMicros: profiler * 1000 },
});
const asText = (shares: readonly { what: string; percent: number }[]) =>
  shares.map(({ what, percent }) => `${what}: ${percent.toFixed(1)}`);

describe("where a process's time went", () => {
  it("is told by room, with what no profile explains: native code, and threads beside the main one", () => {
    const { seconds, rooms, functions } = sharesOf([MAIN], account(205, 100, 5), sourceOf);
    expect(seconds).toBeCloseTo(0.2);
    expect(asText(rooms)).toEqual([
      "`src/session`: 15.0",
      "`src/*.ts`: 10.0",
      "Node starting, and other native code: 10.0",
      "reading: the kernel copies: 6.0",
      "the bench's own, and what it generates: 5.0",
      "garbage collector, on the main thread: 4.0",
      "other threads: V8's compiler and garbage collector, libuv's: 50.0",
    ]);
    expect(asText(functions)).toEqual([
      "`takeSteady`, src/session/steady-path.ts: 15.0",
      "`process`, src/pipeline.ts: 10.0",
      "`read`, Node: 6.0",
      "`run`, test/bench/live/window.ts: 5.0",
    ]);
  });

  it("is cut down to what the scheduler counted where the process waited for a processor", () => {
    const { seconds, rooms } = sharesOf([MAIN], account(38, 38), sourceOf);
    expect(seconds).toBeCloseTo(0.038);
    expect(asText(rooms).slice(0, 3)).toEqual([
      "`src/session`: 31.6",
      "`src/*.ts`: 21.1",
      "Node starting, and other native code: 15.8",
    ]);
  });

  it("has threads of the program's own beside V8's", () => {
    const { rooms } = sharesOf([MAIN, WORKER], account(200, 100), sourceOf);
    expect(asText(rooms)).toContain("`schema`: 12.5");
    expect(asText(rooms)).toContain("other threads: V8's compiler and garbage collector, libuv's: 37.5");
  });

  it("is the profile's where the kernel does not count threads", () => {
    const { seconds, rooms } = sharesOf([MAIN], account(500, 0), sourceOf);
    expect(seconds).toBeCloseTo(0.095);
    expect(asText(rooms).some((line) => line.startsWith("V8's"))).toBe(false);
  });

  it("leaves out what is not called from where it is asked for", () => {
    const { seconds, rooms } = sharesOf([MAIN], account(205, 100), sourceOf, ["run", "process"]);
    expect(seconds).toBeCloseTo(0.062);
    expect(asText(rooms)).toEqual(["`src/session`: 48.4", "`src/*.ts`: 32.3", "reading: the kernel copies: 19.4"]);
  });

  it("is an error where nothing is called from there", () => {
    expect(() => sharesOf([MAIN], account(205, 100), sourceOf, ["process", "run"])).toThrow(
      "nothing below process, run",
    );
  });

  it("has rooms of less than a percent in one", () => {
    const { rooms } = sharesOf([MAIN], account(2000, 2000), sourceOf);
    expect(asText(rooms)).toEqual([
      "Node starting, and other native code: 96.0",
      "`src/session`: 1.5",
      "`src/*.ts`: 1.0",
      "all else: 1.5",
    ]);
  });
});
