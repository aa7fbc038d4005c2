import type { Outage } from "./outage.ts";
import type { Reconciliation } from "./reconcile.ts";

type Columns<T> = readonly (readonly [string, keyof T & string])[];

/** Columns of reconciliations. */
export const RECONCILED: Columns<Reconciliation> = [
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

/** Columns of outages. */
export const OUTAGES: Columns<Outage> = [
  ["waiting at the end of it", "waiting"],
  ["octets on the disk", "diskOctets"],
  ["drained a second", "drainedPerS"],
  ["made", "made"],
  ["acknowledged", "acknowledged"],
  ["stored", "stored"],
  ["shed", "shed"],
  ["different", "distinct"],
  ["missing", "missing"],
  ["out of order", "disorder"],
];

/** A row for each result, as a table of Markdown. */
export function table<T>(columns: Columns<T>, results: readonly T[]): string {
  const row = (cells: readonly unknown[]) =>
    `| ${cells.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell)).join(" | ")} |\n`;
  return [
    row(columns.map(([name]) => name)),
    row(columns.map(([, field]) => (field === "delivery" ? "---" : "---:"))),
    ...results.map((result) => row(columns.map(([, field]) => result[field]))),
  ].join("");
}
