import { writeFileSync } from "node:fs";
import { claimsTable, page } from "./page.ts";
import { isReading, readingTable } from "./reading.ts";
import { isGood, numberText, type RowResult, wrongLines } from "./result.ts";
import { type KeptResult, keep } from "./results-file.ts";
import { ROWS } from "./rows.ts";

const PAGE = "docs/performance.md";

/**
 * `npm run bench [-- NAME...]`: measures these rows, or all, prints their tables and keeps the results in
 * bench-data/results.json. `--data` only writes the captures that they read, `--page` also writes docs/performance.md.
 * Returns the exit status: 1 when rejoin counted something wrong or missed a target.
 */
async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((word) => word !== "--data" && word !== "--page");
  const unknown = names.find((name) => ROWS.every((row) => row.name !== name));
  if (unknown !== undefined) {
    process.stderr.write(`bench: there is no ${unknown}; choose from ${ROWS.map(({ name }) => name).join(", ")}\n`);
    return 2;
  }
  const chosen = ROWS.filter(({ name }) => names.length === 0 || names.includes(name));
  if (args.includes("--data")) {
    for (const { provide } of chosen) await provide?.();
    return 0;
  }
  const rows = ROWS.map(({ name }) => name);
  const results: RowResult[] = [];
  let kept: readonly KeptResult[] = [];
  for (const { name, missing, run } of chosen) {
    const reason = missing?.();
    if (reason !== undefined) {
      process.stderr.write(`bench: ${name}: skipped: ${reason}\n`);
      continue;
    }
    const result = await run();
    results.push(result);
    // At once: what was measured stays when a later row cannot be.
    kept = keep(result, rows);
  }
  if (args.includes("--page")) writeFileSync(PAGE, page(kept));
  process.stdout.write(report(results));
  return results.every(isGood) ? 0 : 1;
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

process.exitCode = await main(process.argv.slice(2));
