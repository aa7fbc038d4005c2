import type { GapRecord } from "../../schema/gap-record.ts";
import type { Style } from "./style.ts";
import { fill, grouped, monthToSecond, pad, printable } from "./text.ts";

const WIDTHS = [14, 20, 9] as const;
const TITLES = ["UNTIL UTC", "COLLECTOR", "RECORDS", "SHED"] as const;

/** The heading of gap records. */
export function gapHeader(style: Style): string {
  return style.strong(line(TITLES, pad));
}

/** What a collector shed, as one line that stands under `gapHeader`; a name is cut only on a terminal (`width`). */
export function gapRow(record: GapRecord, style: Style, width: number | null): string {
  const { records, shed } = record.rejoin.gap;
  const parts = shed.map(({ reason, class: name, records }) => `${printable(`${reason}/${name}`)} ${grouped(records)}`);
  const cells = [monthToSecond(record.event.end), printable(record.observer.name), grouped(records), parts.join(", ")];
  return style.doubt(line(cells, width === null ? pad : fill));
}

function line(cells: readonly string[], stand: typeof fill): string {
  return cells.map((cell, i) => (i < 3 ? stand(cell, WIDTHS[i] ?? 0, i < 2 ? "left" : "right") : cell)).join(" ");
}
