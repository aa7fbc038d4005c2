import { expect, it } from "vitest";
import { COLOURS, PLAIN, styleFor, widthOf } from "../../collectors/terminal/style.ts";

it.each([
  ["a terminal", { isTTY: true }, {}, COLOURS],
  ["a terminal of somebody who set NO_COLOR", { isTTY: true }, { NO_COLOR: "1" }, PLAIN],
  ["a terminal with an empty NO_COLOR", { isTTY: true }, { NO_COLOR: "" }, COLOURS],
  ["a dumb terminal", { isTTY: true }, { TERM: "dumb" }, PLAIN],
  ["a pipe", {}, {}, PLAIN],
])("style for %s", (_name, stream, env, style) => {
  expect(styleFor(stream, env)).toBe(style);
});

it("colours are escapes around the text, and nothing around no text", () => {
  expect(COLOURS.bad("failed")).toBe("\u001b[31mfailed\u001b[39m");
  expect(COLOURS.bad("")).toBe("");
});

it("a table is as wide as its terminal, never below 80, and has no bound where there is none", () => {
  expect([widthOf({}), widthOf({ columns: 200 }), widthOf({ columns: 40 })]).toEqual([null, 200, 80]);
});
