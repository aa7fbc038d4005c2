import { expect, it } from "vitest";
import { contestRow, groupsOf, measureGroup } from "./contest.ts";
import { ROUNDS } from "./measure.ts";
import type { Row, RowResult } from "./result.ts";

const ran: string[] = [];
const contestant = (name: string) => ({
  name,
  run: () => {
    ran.push(name);
    return { cpuSeconds: 1, wallSeconds: 1, output: name };
  },
});

/** A row that tells what its programs printed in each run. */
const rowOf = (row: string, capture: string, ...programs: string[]) =>
  contestRow(row, capture, async () => {
    const contestants = programs.map(contestant);
    const about = (outputs: readonly string[]): RowResult => ({
      ...{ row, about: outputs.join(" "), against: [], figures: [], claims: [], differences: [] },
    });
    return {
      contestants,
      tell: (runsOf) => about(contestants.flatMap((one) => runsOf(one).map(({ output }) => output))),
    };
  });

const other: Row = { name: "other", run: async () => rowOf("other", "none").run() };

it("neighbours that are contests over one capture are a group", () => {
  const rows = [rowOf("a", "x", "p"), rowOf("b", "x", "p"), other, rowOf("c", "x", "p"), rowOf("d", "y", "p")];
  expect(groupsOf(rows).map((group) => group.map(({ name }) => name))).toEqual([["a", "b"], ["other"], ["c"], ["d"]]);
});

it("a program of several rows runs once a round for all, in turn with the others, and each row is told of its own", async () => {
  ran.length = 0;
  const results = await measureGroup([rowOf("a", "x", "p", "q"), rowOf("b", "x", "q", "r")]);
  expect(ran).toEqual(Array.from({ length: ROUNDS }, () => ["p", "q", "r"]).flat());
  const times = (name: string) => Array.from({ length: ROUNDS }, () => name).join(" ");
  expect(results.map(({ row, about }) => [row, about])).toEqual([
    ["a", `${times("p")} ${times("q")}`],
    ["b", `${times("q")} ${times("r")}`],
  ]);
});
