import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const rows = readFileSync(new URL("docs/bounds.md", ROOT), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .slice(1)
  .map((line) => line.slice(2, -2).split(" | "));

it.each(rows)("%s: every bound has a policy, a file and a test that exist", (...cells) => {
  const [, , policy = "", where = "", tests = ""] = cells;
  expect([cells.length, policy.length > 0]).toEqual([5, true]);
  const files = [...where.matchAll(/`([^`]+)`/g)].map(([, file]) => file);
  const named = [...tests.matchAll(/`([^`]+)`/g)].map(([, file]) => `${file}.test.ts`);
  expect(files.length).toBeGreaterThan(0);
  expect(named.length > 0 || tests === "none").toBe(true);
  expect([...files, ...named].filter((file) => !existsSync(new URL(file ?? "", ROOT)))).toEqual([]);
});
