import { expect, it } from "vitest";
import { flatness } from "./flatness.ts";

it.each([
  ["grows at first and then no more", [10, 50, 90, 100, 101, 100, 102, 100, 101], true],
  ["falls", [10, 50, 90, 100, 100, 100, 80, 80, 80], true],
  ["swings as a heap does", [90, 60, 90, 100, 60, 100, 60, 100, 100], true],
  ["grows all the time", [10, 20, 30, 40, 50, 60, 70, 80, 90], false],
  ["grows by a little more than a tenth", [90, 90, 90, 100, 100, 100, 111, 111, 111], false],
])("memory that %s", (_, run, isFlat) => {
  expect(flatness(run).isFlat).toBe(isFlat);
});
