import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ROWS } from "../bench/rows.ts";

const ROOT = new URL("../../", import.meta.url);
const text = (path: string) => readFileSync(new URL(path, ROOT), "utf8");
const names = ROWS.map(({ name }) => name);

describe("rows of the bench", () => {
  it("have a name of their own", () => {
    expect(new Set(names).size).toBe(names.length);
  });

  it("stand in docs/testing.md, each with a row of its table, in this order", () => {
    const section =
      text("docs/testing.md")
        .split("\n## ")
        .find((part) => part.startsWith("The bench")) ?? "";
    expect([...section.matchAll(/^\| `([a-z]+)` \|/gm)].map(([, name]) => name)).toEqual(names);
  });

  it("stand in docs/performance.md with a verdict and a section, and nothing else does", () => {
    const page = text("docs/performance.md");
    const told = [...page.matchAll(/^\| `([a-z]+)` \| [^|]+ \| [^|]+ \| \S+: (?:met|MISSED).* \|$/gm)];
    expect([...new Set(told.map(([, name]) => name))]).toEqual(names);
    expect([...page.matchAll(/^## (.*)$/gm)].map(([, name]) => name)).toEqual(names);
  });
});
