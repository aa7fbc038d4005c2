import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { METRICS } from "../../collectors/central/metrics.ts";
import { chartPage, chartValues } from "./chart-page.ts";
import { valuesSchema } from "./values-schema.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), "utf8");

// `npm run schema` writes both files anew; this fails where one is stale.
describe("the chart", () => {
  it("has a schema of values, closed, with the programs' own configurations in it", async () => {
    await expect(`${JSON.stringify(valuesSchema(), null, 2)}\n`).toMatchFileSnapshot(
      "../../helm/rejoin/values.schema.json",
    );
  });

  it("has a page that says what values.yaml does", async () => {
    await expect(chartPage()).toMatchFileSnapshot("../../helm/rejoin/README.md");
  });

  it("says of every value what it means", () => {
    expect(
      chartValues()
        .filter(({ comment }) => comment === "")
        .map(({ path }) => path),
    ).toEqual([]);
  });

  it("has defaults that its schema allows, and refuses what it does not know", () => {
    const schema = z.fromJSONSchema(valuesSchema());
    const defaults = parse(read("helm/rejoin/values.yaml"));
    expect(schema.safeParse(defaults).error).toBeUndefined();
    for (const wrong of [
      { ...defaults, later: 1 },
      { ...defaults, collector: { ...defaults.collector, replica: 2 } },
      { ...defaults, collector: { ...defaults.collector, config: { sink: { kind: "kafak" } } } },
    ])
      expect(schema.safeParse(wrong).success).toBe(false);
  });

  it("has the version of the program", () => {
    expect(parse(read("helm/rejoin/Chart.yaml")).appVersion).toBe(JSON.parse(read("package.json")).version);
  });
});

describe("alerts", () => {
  const rule = read("helm/rejoin/templates/collector/prometheusrule.yaml");
  const alerts = [...rule.matchAll(/alert: (\w+)/g)].map(([, name = ""]) => name);

  it("ask for metrics that the collector has", () => {
    const asked = [...rule.matchAll(/\b(rejoin_\w+)\{/g)].map(([, name]) => name);
    const has = new Set(["rejoin_build_info", ...METRICS.map(({ name }) => name)]);
    expect(asked.length).toBeGreaterThanOrEqual(alerts.length);
    expect(asked.filter((name) => !has.has(name ?? ""))).toEqual([]);
  });

  it("have a run-book that names no other metric", () => {
    const named = read("docs/operations.md").match(/\brejoin_[a-z_]+\b/g) ?? [];
    const has = new Set(METRICS.map(({ name }) => name));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !has.has(name))).toEqual([]);
  });

  it("tell by labels that their metrics have", () => {
    const labels = new Set(["namespace", "service", "pod", "severity", ...METRICS.flatMap((metric) => metric.labels)]);
    const told = [...rule.matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label);
    expect(told.filter((label) => !labels.has(label))).toEqual([]);
  });

  it("have a section of the run-book each", () => {
    const sections = [...read("docs/operations.md").matchAll(/^### (Rejoin\w+)$/gm)].map(([, name]) => name);
    expect(sections).toEqual(alerts);
    const links = [...rule.matchAll(/runbook: docs\/operations\.md#(\w+)/g)].map(([, anchor]) => anchor);
    expect(links).toEqual(alerts.map((name) => name.toLowerCase()));
  });
});
