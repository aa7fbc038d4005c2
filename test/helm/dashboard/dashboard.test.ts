import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, it } from "vitest";
import { METRICS } from "../../../collectors/central/metrics.ts";
import { needs, titled } from "../../support/requirements.ts";
import { dashboard } from "./dashboard.ts";
import { queries } from "./queries.ts";

const page = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");

/** Metrics that docs/metrics.md names, and those of histograms and summaries, which it names without their suffix. */
const named = new Set(
  [...page.matchAll(/`((?:rejoin|nodejs|process)_[a-z0-9_]+)`/g)].flatMap(([, name = ""]) => [name, `${name}_sum`]),
);

/** Where a query cannot be parsed, and what metrics and labels it names. */
function parsed(expr: string) {
  const faults: number[] = [];
  const metrics: string[] = [];
  const labels: string[] = [];
  parser.parse(expr).iterate({
    enter(node) {
      const text = expr.slice(node.from, node.to);
      if (node.type.isError) faults.push(node.from);
      if (node.name === "Identifier") metrics.push(text);
      if (node.name === "LabelName") labels.push(text);
    },
  });
  return { faults, metrics, labels };
}

// Its shape is the compiler's to check: test/helm/dashboard/dashboard.ts is of Grafana's own types.
describe("the dashboard", () => {
  it("stands in the chart as it is made", async () => {
    await expect(`${JSON.stringify(dashboard(), null, 2)}\n`).toMatchFileSnapshot(
      "../../../helm/rejoin/dashboards/rejoin.json",
    );
  });

  it("says of every panel what it means, once", () => {
    const panels = (dashboard().panels ?? []).filter(({ type }) => type !== "row");
    for (const panel of panels) expect("description" in panel && panel.description).toMatch(/^.{20,}\.$/);
    const ids = (dashboard().panels ?? []).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("has no panel on another, and none beyond the edge", () => {
    const taken = new Set<string>();
    for (const { gridPos } of dashboard().panels ?? []) {
      const { x = 0, y = 0, w = 0, h = 0 } = gridPos ?? {};
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          expect(taken.has(`${column} ${line}`)).toBe(false);
          taken.add(`${column} ${line}`);
        }
      }
    }
  });

  it.each(queries())("asks what Prometheus understands, of metrics that there are: $expr", ({ expr }) => {
    const { faults, metrics, labels } = parsed(expr);
    expect(faults).toEqual([]);
    expect(metrics.length).toBeGreaterThan(0);
    expect(metrics.filter((name) => !named.has(name))).toEqual([]);
    const own = METRICS.filter(({ name }) => metrics.includes(name)).flatMap((metric) => metric.labels);
    const known = new Set(["namespace", "job", "instance", "kind", ...own]);
    expect(labels.filter((label) => !known.has(label))).toEqual([]);
  });

  it("names sections of the run-book that are there", () => {
    const book = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
    const told = JSON.stringify(dashboard()).match(/\bRejoin[A-Z]\w+/g) ?? [];
    expect(told.length).toBeGreaterThan(0);
    expect(told.filter((name) => !book.includes(`### ${name}\n`))).toEqual([]);
  });

  const noPromtool = needs("promtool");
  it.skipIf(noPromtool)(titled("has queries that promtool takes as rules", noPromtool), () => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-dashboard-"));
    const rules = queries().map(({ expr }, i) => ({ record: `rejoin:query:${i}`, expr }));
    writeFileSync(join(folder, "rules.json"), JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    const { status, stderr } = spawnSync("promtool", ["check", "rules", "rules.json"], {
      cwd: folder,
      encoding: "utf8",
    });
    rmSync(folder, { recursive: true });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
