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

  const page = text("docs/performance.md");

  it("stand in docs/performance.md with a verdict and a section, and nothing else does", () => {
    const told = [...page.matchAll(/^\| `([a-z]+)` \| [^|]+ \| [^|]+ \| \S+: (?:met|MISSED).* \|$/gm)];
    expect([...new Set(told.map(([, name]) => name))]).toEqual(names);
    expect([...page.matchAll(/^## (.*)$/gm)].map(([, name]) => name)).toEqual(names);
  });

  const missed = [...new Set([...page.matchAll(/^\| `([a-z]+)` .*: MISSED by /gm)].map(([, name]) => name))];
  it.each(missed)("%s, which misses a target, says why in its section", (name) => {
    const section = page.split("\n## ").find((part) => part.startsWith(`${name}\n`)) ?? "";
    const [, why = ""] = section.split(/^### Where the (?:time goes|octets go|pauses come from)$/m);
    expect(why).toMatch(/^\| \S.* \| [\d.,]+ \| (?:%|octets per session|ms.*) \|$/m);
  });
});
