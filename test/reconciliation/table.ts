import type { Reconciliation } from "./reconcile.ts";

const COLUMNS: readonly (readonly [string, keyof Reconciliation])[] = [
  ["delivery", "delivery"],
  ["brokers", "brokers"],
  ["collector kills", "collectorKills"],
  ["broker kills", "brokerKills"],
  ["leaders moved", "moves"],
  ["faults", "faults"],
  ["made", "made"],
  ["acknowledged", "acknowledged"],
  ["stored", "stored"],
  ["shed", "shed"],
  ["in the topic", "messages"],
  ["different", "distinct"],
  ["missing", "missing"],
  ["out of order", "disorder"],
];

/** Reconciliations as a table of Markdown. */
export function table(results: readonly Reconciliation[]): string {
  const row = (cells: readonly (string | number)[]) =>
    `| ${cells.map((cell) => cell.toLocaleString("en")).join(" | ")} |`;
  return [
    row(COLUMNS.map(([name]) => name)),
    row(COLUMNS.map((_, n) => (n === 0 ? "---" : "---:"))),
    ...results.map((result) => row(COLUMNS.map(([, field]) => result[field]))),
  ]
    .map((line) => `${line}\n`)
    .join("");
}
