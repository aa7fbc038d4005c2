import { expect, it } from "vitest";
import { heldMemory } from "./held-memory.ts";

const PAGE = 4096;

it("counts the pages that are not all zero, of each buffer once, by the shortest way to it", () => {
  const words = new Uint32Array((4 * PAGE) / 4);
  words[0] = 1;
  words[(3 * PAGE) / 4 - 1] = 1;
  const floats = new Float64Array(words.buffer);
  const chunks = new Map([
    ["a", new Uint8Array(PAGE).fill(1)],
    ["b", new Uint8Array(10).fill(1)],
  ]);
  const table = { words, floats, empty: new Uint32Array(PAGE) };
  const root = { outer: { table, chunks }, table, none: null, count: 7, again: {} };
  root.again = root;
  expect([...heldMemory(root)]).toEqual([
    ["table.words", 2 * PAGE],
    ["table.empty", 0],
    ["outer.chunks", 2 * PAGE],
  ]);
});
