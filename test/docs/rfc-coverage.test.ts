import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const page = readFileSync(new URL("docs/rfc-coverage.md", ROOT), "utf8");

/** Every section of RFC 8684 that says something to hosts. */
const SECTIONS = [
  ...["2", "3.1", "3.2", "3.3", "3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5", "3.3.6", "3.3.7", "3.3.8"],
  ...["3.4.1", "3.4.2", "3.5", "3.6", "3.7", "3.8", "3.9", "4", "5", "6", "7.1", "7.2", "7.3", "7.4"],
];
const APPENDICES = ["A", "B", "C", "D", "E"];

/** Rows of the table under a heading, each a list of its cells. */
function rows(heading: string): string[][] {
  const part = page.split("\n## ").find((text) => text.startsWith(heading)) ?? "";
  return part
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| section"))
    .map((line) => line.slice(2, -2).split(" | "));
}

const paths = (text: string, folder: string): string[] =>
  [...text.matchAll(/`((?:src|test|collectors|schema)\/[^`]+)`/g)]
    .map(([, path]) => path ?? "")
    .filter((path) => path.startsWith(folder));

describe("docs/rfc-coverage.md", () => {
  it("names files that are there", () => {
    const named = paths(page, "");
    expect(named.length).toBeGreaterThan(80);
    expect(named.filter((path) => !existsSync(fileURLToPath(new URL(path, ROOT))))).toEqual([]);
  });

  it.each(rows("MPTCP"))("%s: %s", (section, what, followed, where = "", tested = "") => {
    expect([section, what]).not.toContain("");
    expect(["yes", "partly", "no"]).toContain(followed);
    if (followed === "no") expect(where.length).toBeGreaterThan(20);
    else {
      expect(paths(where, "src/")).not.toEqual([]);
      expect(paths(tested, "test/").every((path) => path.endsWith(".test.ts"))).toBe(true);
      expect(paths(tested, "test/")).not.toEqual([]);
    }
  });

  it("leaves out no section of RFC 8684", () => {
    const named = rows("MPTCP")
      .map(([section]) => section ?? "")
      .join("; ");
    expect(
      SECTIONS.filter((section) => !new RegExp(`8684[^;]*§${section.replaceAll(".", "\\.")}(,|;|$)`).test(named)),
    ).toEqual([]);
    expect(APPENDICES.filter((letter) => !named.includes(`App. ${letter}`))).toEqual([]);
  });
});
