import type { StreamChunk } from "../../schema/stream-chunk.ts";
import type { Style } from "./style.ts";
import { grouped, monthToSecond, pad } from "./text.ts";

const WIDTHS = [14, 8, 9, 15, 9, 12, 5] as const;
const TITLES = ["AT UTC", "SESSION", "SIDE", "OFFSET", "LENGTH", "HOLE BEFORE", "FINAL"] as const;

/** The heading of chunks of streams, 78 columns wide. */
export function chunkHeader(style: Style): string {
  return style.strong(line(TITLES));
}

/** A chunk as one line that stands under `chunkHeader`: where its octets belong, not the octets. */
export function chunkRow(record: StreamChunk, style: Style): string {
  const { side, offset, length, hole, final } = record.mptcp.chunk;
  const counts = [offset, length, hole].map(grouped);
  const at = monthToSecond(record["@timestamp"]);
  const text = line([at, record.mptcp.session.id.slice(0, 8), side, ...counts, final ? "final" : ""]);
  return hole > 0 ? style.doubt(text) : text;
}

function line(cells: readonly string[]): string {
  const stands = cells.map((cell, i) => pad(cell, WIDTHS[i] ?? 0, i >= 3 && i <= 5 ? "right" : "left"));
  return stands.join(" ").trimEnd();
}
