import { type Claim, type Figure, numberText, type RowResult, verdict, type Why } from "./result.ts";
import type { KeptResult } from "./results-file.ts";

const HEAD = `# Performance

Written by \`npm run bench -- --page\` out of what the bench measured; do not edit. [testing.md](testing.md#the-bench) says
what each row is and how it is measured. Times are processor time, user and system, where nothing else is said. On a machine
that does other work at the same time they move from one run to the next: compare ratios.
`;

/** The rows' claims as a Markdown table. */
export function claimsTable(results: readonly RowResult[]): string {
  const lines = results.flatMap(({ row, claims }) => claims.map((claim) => claimLine(row, claim)));
  return ["| row | measured | | target at most |", "|---|---:|---|---|", ...lines].map((line) => `${line}\n`).join("");
}

function claimLine(row: string, claim: Claim): string {
  return `| \`${row}\` | ${numberText(claim.value)} | ${claim.what} | ${verdict(claim)} |`;
}

/** docs/performance.md: what was measured of every row, where, when and with which programs. */
export function page(results: readonly KeptResult[]): string {
  return [HEAD, claimsTable(results), ...results.map(section)].join("\n");
}

function section({
  row,
  about,
  against,
  measured,
  machine,
  date,
  figures,
  differences,
  whys = [],
}: KeptResult): string {
  const programs = [...measured, ...against].map(({ name, version }) => `${name} ${version}`).join(", ");
  const lines = [
    `## ${row}`,
    "",
    `${about}.`,
    "",
    `${date}, ${programs}; ${machine}.`,
    ...(differences.length === 0 ? [] : ["", `Counted **wrong**: ${differences.join("; ")}.`]),
    "",
    ...figuresTable(figures),
  ];
  return [lines.map((line) => `${line}\n`).join(""), ...whys.map(whyText)].join("\n");
}

/** What a figure consists of, as Markdown. */
export function whyText({ title, about, parts, functions = [] }: Why): string {
  const most =
    functions.length === 0 ? [] : ["", "Most of it in these functions themselves:", "", ...figuresTable(functions)];
  return [`### ${title}`, "", `${about}.`, "", ...figuresTable(parts), ...most].map((line) => `${line}\n`).join("");
}

const figuresTable = (figures: readonly Figure[]): string[] => [
  "| | | |",
  "|---|---:|---|",
  ...figures.map(({ what, value, unit }) => `| ${what} | ${numberText(value)} | ${unit} |`),
];
