import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { compare } from "./against.ts";
import { groupsOf, measureGroup } from "./contest.ts";
import { claimsTable, page, whyText } from "./page.ts";
import { profiled } from "./profile.ts";
import { isReading, readingTable } from "./reading.ts";
import { isGood, isMissed, numberText, type Row, type RowResult, wrongLines } from "./result.ts";
import { type KeptResult, keep, keepWhys } from "./results-file.ts";
import { ROWS } from "./rows.ts";
import { explain, whysOf } from "./why.ts";

/** What a machine adds to each start of Node: certificates, read before anything else, and options. It is not the program's. */
for (const name of ["NODE_EXTRA_CA_CERTS", "NODE_OPTIONS"]) delete process.env[name];

const PAGE = "docs/performance.md";
const OPTIONS = {
  data: { type: "boolean", default: false },
  page: { type: "boolean", default: false },
  profile: { type: "boolean", default: false },
  against: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/**
 * `npm run bench [-- NAME...]`: measures these rows, or all, prints their tables and keeps the results in
 * bench-data/results.json. `--help` names the rows, `--data` only writes the captures that they read, `--page` also writes
 * docs/performance.md, with a profile of each row that misses a target, `--profile` draws flame graphs instead and says
 * where the time goes, `--against COMMIT` compares with another commit. Returns the exit status: 1 when rejoin counted
 * something wrong or missed a target, 2 when nothing could be measured.
 */
async function main(): Promise<number> {
  const { values, positionals: names } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (values.help) {
    const rows = ROWS.map(({ name }) => name).join(" ");
    process.stdout.write(`npm run bench -- [ROW...] [--data | --page | --profile | --against COMMIT]\nrows: ${rows}\n`);
    return 0;
  }
  const unknown = names.find((name) => ROWS.every((row) => row.name !== name));
  if (unknown !== undefined) {
    throw new Error(`there is no ${unknown}; choose from ${ROWS.map(({ name }) => name).join(", ")}`);
  }
  const chosen = ROWS.filter(({ name }) => names.length === 0 || names.includes(name));
  if (values.data) {
    for (const { provide } of chosen) await provide?.();
    return 0;
  }
  const possible = chosen.filter(({ name, missing }) => {
    const reason = missing?.();
    if (reason !== undefined) process.stderr.write(`bench: ${name}: skipped: ${reason}\n`);
    return reason === undefined;
  });
  if (values.against !== undefined) {
    for (const { provide } of possible) await provide?.();
    process.stdout.write(
      compare(
        values.against,
        possible.map(({ name }) => name),
      ),
    );
    return 0;
  }
  if (values.profile) {
    for (const { name, run } of possible) {
      const profile = await profiled(name, run);
      process.stdout.write([lines(profile.graphs), ...(await explain(profile)).map(whyText)].join("\n"));
    }
    return 0;
  }
  return measureAll(possible, values.page);
}

async function measureAll(chosen: readonly Row[], writesPage: boolean): Promise<number> {
  const rows = ROWS.map(({ name }) => name);
  const results: RowResult[] = [];
  let kept: readonly KeptResult[] = [];
  for (const group of groupsOf(chosen)) {
    for (const result of await measureGroup(group)) {
      results.push(result);
      // At once: what was measured stays when a later row cannot be.
      kept = keep(result, rows);
    }
  }
  if (writesPage) writeFileSync(PAGE, page(explained(kept)));
  process.stdout.write(report(results));
  return results.every(isGood) ? 0 : 1;
}

/** Results with why they miss their targets: a row of which nobody has looked yet, measured now or before, is run for it. */
function explained(kept: readonly KeptResult[]): readonly KeptResult[] {
  let all = kept;
  for (const { row, claims, whys } of kept) {
    const possible = ROWS.find(({ name }) => name === row)?.missing?.() === undefined;
    if (whys !== undefined || !possible || !claims.some(isMissed)) continue;
    process.stderr.write(`bench: ${row}: misses a target, and is run once more for its profile\n`);
    const found = whysOf(row, claims);
    if (found.length > 0) all = keepWhys(row, found);
  }
  return all;
}

/** The table that the README shows, and one of all other rows with what they were made of. */
function report(results: readonly RowResult[]): string {
  const readings = results.filter(isReading);
  const others = results.filter((result) => !isReading(result));
  return [
    ...(readings.length > 0 ? [readingTable(readings)] : []),
    ...(others.length > 0 ? [claimsTable(others), lines(others.flatMap(figureLines))] : []),
    ...(others.some(({ differences }) => differences.length > 0) ? [lines(others.flatMap(wrongLines))] : []),
  ].join("\n");
}

const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join("");

function figureLines({ row, against, figures }: RowResult): string[] {
  const programs = against.map(({ name, version }) => `${name} ${version}`).join(", ");
  return [
    ...figures.map(({ what, value, unit }) => `${row}: ${what}: ${numberText(value)} ${unit}`),
    ...(programs === "" ? [] : [`${row}: against ${programs}`]),
  ];
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  return 2;
});
