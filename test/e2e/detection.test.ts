import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FINDINGS } from "../../schema/finding-vocabulary.ts";
import type { AnyRecord } from "../../schema/topics.ts";
import { INDICES } from "../docs/consumers/index-template.ts";
import { PAGE, RECIPES } from "../docs/detection.ts";
import { clickHouse, clickHouseMissing, statementsIn } from "../support/clickhouse.ts";
import { OpenSearch, openSearchMissing } from "../support/opensearch.ts";
import { needs, titled } from "../support/requirements.ts";
import { recordsOfCaptures } from "./records-of-captures.ts";

const noJq = needs("jq");
const CONSUMERS = new URL("../../docs/consumers/", import.meta.url);
let folder = "";
/** Sessions that jq finds, of each recipe. */
let expected: unknown[][] = [];
let records: AnyRecord[] = [];
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-detection-"));
  records = await recordsOfCaptures(folder);
  writeFileSync(file("records.jsonl"), records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  if (noJq !== undefined) return;
  expected = RECIPES.map(({ queries }) => {
    const args = ["-r", queries.jq ?? "", file("records.jsonl")];
    const { stdout, stderr } = spawnSync("jq", args, { encoding: "utf8" });
    if (stderr !== "") throw new Error(stderr);
    return distinct(stdout.split("\n").filter((line) => line !== ""));
  });
}, 400_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NUMBERED = RECIPES.map((recipe, n) => ({ ...recipe, n }));
const distinct = (ids: readonly unknown[]) => [...new Set(ids)].sort();

it("the page names every finding, and each recipe stands there in every language", () => {
  const named = [...PAGE.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name);
  expect(named).toEqual(Object.keys(FINDINGS));
  expect(RECIPES.length).toBeGreaterThan(8);
  for (const { title, finds, queries } of RECIPES) {
    expect([title, Object.keys(queries).sort(), finds > 0]).toEqual([title, ["jq", "kql", "sql"], true]);
  }
});

describe.skipIf(noJq)(titled("recipes in jq", noJq), () => {
  it.each(NUMBERED)("$title: $finds", ({ finds, n }) => {
    expect(expected[n]).toHaveLength(finds);
  });
});

const noClickHouse = clickHouseMissing() ?? noJq;
describe.skipIf(noClickHouse)(titled("recipes in ClickHouse", noClickHouse), () => {
  let found: Record<string, unknown>[][] = [];
  let known = { sessions: 0, findings: 0 };

  beforeAll(() => {
    // Inside a process there is no Kafka engine: what it would read is put into a table without one.
    const tables = readFileSync(new URL("clickhouse/tables.sql", CONSUMERS), "utf8").replace(
      /ENGINE = Kafka\([^)]*\)/g,
      "ENGINE = Null",
    );
    const inserts = (["session", "finding"] as const).flatMap((kind) => {
      const own = records.filter(({ event }) => event.dataset === `rejoin.${kind}`);
      writeFileSync(file(`${kind}s.jsonl`), own.map((record) => `${JSON.stringify(record)}\n`).join(""));
      const insert = `INSERT INTO rejoin_${kind}s_queue SELECT json FROM file('${file(`${kind}s.jsonl`)}', 'JSONAsString')`;
      return [insert, insert]; // Twice, as at least once may be.
    });
    const counts =
      "SELECT (SELECT count() FROM rejoin_sessions FINAL) AS sessions, (SELECT count() FROM rejoin_findings FINAL) AS findings";
    const [count, ...rows] = clickHouse(
      [...statementsIn(tables), ...inserts],
      [counts, ...RECIPES.map(({ queries }) => queries.sql ?? "")],
    );
    known = { sessions: Number(count?.[0]?.sessions), findings: Number(count?.[0]?.findings) };
    found = rows;
  });

  it("the tables take every record, and a second copy is no second row", () => {
    const ids = (dataset: string, id: (record: AnyRecord) => unknown) =>
      distinct(records.filter(({ event }) => event.dataset === dataset).map(id)).length;
    expect(known).toEqual({
      sessions: ids("rejoin.session", (record) => "mptcp" in record && record.mptcp.session.id),
      findings: ids("rejoin.finding", ({ event }) => event.id),
    });
  });

  it.each(NUMBERED)("$title: the same sessions as jq", ({ n }) => {
    const ids = (found[n] ?? []).map(({ session_id }) => session_id);
    expect(distinct(ids)).toEqual(expected[n]);
  });
});

const noOpenSearch = openSearchMissing() ?? noJq;
describe.skipIf(noOpenSearch)(titled("recipes in OpenSearch", noOpenSearch), () => {
  let node: OpenSearch;
  const indices = Object.values(INDICES).join(",");

  beforeAll(async () => {
    node = await OpenSearch.start();
    for (const [dataset, index] of Object.entries(INDICES)) {
      const template = readFileSync(new URL(`elastic/${index}.json`, CONSUMERS), "utf8");
      await node.ask("PUT", `/_index_template/${index}`, template);
      const own = records.filter(({ event }) => event.dataset === dataset);
      if (own.length === 0) continue;
      const actions = own.map(
        (record) => `${JSON.stringify({ index: { _id: record.event.id } })}\n${JSON.stringify(record)}\n`,
      );
      for (let n = 0; n < 2; n++) {
        const { errors, items } = await node.ask("POST", `/${index}/_bulk?refresh=true`, actions.join(""));
        if (errors !== false) throw new Error(JSON.stringify(items).slice(0, 2000));
      }
    }
  });
  afterAll(() => node?.stop());

  it("the indices take every record, and a second copy is no second document", async () => {
    const { count } = await node.ask("GET", `/${indices}/_count?ignore_unavailable=true`, "");
    expect(count).toBe(distinct(records.map(({ event }) => event.id)).length);
  });

  it.each(NUMBERED)("$title: the same sessions as jq", async ({ queries, n }) => {
    const search = {
      size: 1000,
      _source: ["mptcp.session.id"],
      query: { query_string: { query: lucene(queries.kql ?? "") } },
    };
    const { hits } = (await node.ask(
      "POST",
      `/${indices}/_search?ignore_unavailable=true`,
      JSON.stringify(search),
    )) as {
      hits: { hits: { _source: { mptcp: { session: { id: string } } } }[] };
    };
    const ids = hits.hits.map(({ _source }) => _source.mptcp.session.id);
    expect(distinct(ids)).toEqual(expected[n]);
  });
});

/** The Lucene query that means what a KQL one of the page does: operators in capitals, comparisons behind a colon. */
function lucene(kql: string): string {
  return kql
    .split(/("[^"]*")/)
    .map((part, n) =>
      n % 2 === 1
        ? part
        : part.replace(/\b(and|or|not)\b/g, (word) => word.toUpperCase()).replace(/ (>=?|<=?) /g, ":$1"),
    )
    .join("");
}
