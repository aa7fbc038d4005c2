import { describe, expect, it } from "vitest";
import { claimsTable, page } from "./page.ts";
import { isGood, isMissed, type RowResult, verdict, wrongLines } from "./result.ts";

const claim = (value: number, target: number) => ({ what: "times tcpdump", value, target });
const result = (change: Partial<RowResult> = {}): RowResult => ({
  row: "streams",
  about: "a workload",
  against: [{ name: "tcpdump", version: "4.99.3" }],
  figures: [{ what: "tcpdump -w /dev/null", value: 0.512, unit: "s" }],
  claims: [claim(1.5, 2)],
  differences: [],
  ...change,
});

describe("a row's result", () => {
  it("is good where all claims hold and all was counted right", () => {
    expect(isGood(result())).toBe(true);
    expect(isGood(result({ claims: [claim(2, 2)] }))).toBe(true);
    expect(isGood(result({ claims: [claim(1, 2), claim(2.01, 2)] }))).toBe(false);
    expect(isGood(result({ differences: ["octets: 1 instead of 2"] }))).toBe(false);
  });

  it("is not good where the other program was missing", () => {
    expect(isGood(result({ claims: [claim(Number.NaN, 2)] }))).toBe(false);
    expect(verdict(claim(Number.NaN, 2))).toBe("2: MISSED, not measured");
  });

  it("tells by how much a target is missed", () => {
    expect(verdict(claim(2.5, 2))).toBe("2: MISSED by 0.50 (25%)");
    expect(verdict(claim(2, 2))).toBe("2: met");
    expect(claimsTable([result({ claims: [claim(1234.5, 640)] })])).toContain(
      "| `streams` | 1,235 | times tcpdump | 640: MISSED by 595 (93%) |",
    );
  });

  it("is missed where it was measured, and is more than its target", () => {
    expect([1, 2, 2.01, Number.NaN].map((value) => isMissed(claim(value, 2)))).toEqual([false, false, true, false]);
  });

  it("tells what was counted wrong", () => {
    expect(wrongLines(result({ differences: ["octets: 1 instead of 2"] }))).toEqual([
      "streams: counted WRONG: octets: 1 instead of 2",
    ]);
  });
});

describe("the page of results", () => {
  const kept = {
    ...{ date: "2026-01-02", machine: "a processor, 2 cores" },
    measured: [{ name: "Node", version: "v20.19.0" }],
  };

  it("names day, machine, versions, figures and verdicts of each row", () => {
    const text = page([{ ...result({ differences: ["octets: 1 instead of 2"] }), ...kept }]);
    expect(text).toContain("| `streams` | 1.50 | times tcpdump | 2: met |");
    expect(text).toContain("2026-01-02, Node v20.19.0, tcpdump 4.99.3; a processor, 2 cores.");
    expect(text).toContain("| tcpdump -w /dev/null | 0.51 | s |");
    expect(text).toContain("Counted **wrong**: octets: 1 instead of 2.");
    expect(text).not.toContain("###");
  });

  it("says why a row misses its target", () => {
    const part = (what: string, value: number) => ({ what, value, unit: "%" });
    const why = {
      ...{ title: "Where the time goes", about: "`rejoin read`, once more: 2.00 s" },
      ...{ parts: [part("`src/session`", 75)], functions: [part("`takeSteady`, src/session/steady-path.ts", 25)] },
    };
    const [, after] = page([{ ...result(), ...kept, whys: [why] }]).split("\n\n### ");
    expect(after).toBe(`Where the time goes

\`rejoin read\`, once more: 2.00 s.

| | | |
|---|---:|---|
| \`src/session\` | 75.0 | % |

Most of it in these functions themselves:

| | | |
|---|---:|---|
| \`takeSteady\`, src/session/steady-path.ts | 25.0 | % |
`);
  });
});
