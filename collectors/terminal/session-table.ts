import type { SessionRecord, StreamRecord } from "../../schema/session-record.ts";
import type { Style } from "./style.ts";
import { clip, fill, hostPort, humanOctets, printable } from "./text.ts";

/** From this width on there is room for start, version and long reasons. */
const WIDE_COLUMNS = 112;

type Tone = keyof Style | null;

interface Column {
  readonly title: string;
  /** Characters; the one column without takes what the others leave. */
  readonly width?: number;
  readonly stand: "left" | "right";
  readonly wideOnly?: true;
  readonly cell: (record: SessionRecord, width: number) => readonly [text: string, tone: Tone];
}

const COLUMNS: readonly Column[] = [
  {
    title: "START UTC",
    width: 14,
    stand: "left",
    wideOnly: true,
    cell: (r) => [monthToSecond(r.event.start), "quiet"],
  },
  { title: "SESSION", width: 8, stand: "left", cell: (r) => [r.mptcp.session.id.slice(0, 8), null] },
  { title: "INITIATOR → RESPONDER", stand: "left", cell: (r, width) => [between(r, width), "strong"] },
  { title: "V", width: 3, stand: "left", wideOnly: true, cell: version },
  { title: "SUB", width: 3, stand: "right", cell: (r) => [String(r.mptcp.subflows.length), null] },
  { title: "SENT", width: 7, stand: "right", cell: (r) => [humanOctets(r.mptcp.stream.initiator.octets), null] },
  { title: "ANSWER", width: 7, stand: "right", cell: (r) => [humanOctets(r.mptcp.stream.responder.octets), null] },
  { title: "WHOLE", width: 6, stand: "left", cell: (r) => whole(r.mptcp.stream) },
  { title: "JOINS", width: 6, stand: "left", cell: joins },
  { title: "END", width: 12, stand: "left", cell: end },
];

/** The table's heading, `width` columns wide (at least 80). */
export function sessionHeader(width: number, style: Style): string {
  const titles = layout(width).map(([column, columns]) => fill(column.title, columns, column.stand));
  return style.strong(titles.join(" ").trimEnd());
}

/** One session as one line that stands under `sessionHeader` of the same width. */
export function sessionRow(record: SessionRecord, width: number, style: Style): string {
  const cells = layout(width).map(([column, columns]) => {
    const [text, tone] = column.cell(record, columns);
    const filled = fill(printable(text), columns, column.stand);
    return tone === null ? filled : style[tone](filled);
  });
  return cells.join(" ").trimEnd();
}

function layout(width: number): (readonly [Column, number])[] {
  const wide = width >= WIDE_COLUMNS;
  const shown = COLUMNS.filter((column) => wide || !column.wideOnly);
  // On a narrow terminal the reason of the end is cut, not the addresses.
  const widths = shown.map((column) => (column.title === "END" && !wide ? 9 : column.width));
  const taken = widths.reduce<number>((sum, columns) => sum + (columns ?? 0), shown.length - 1);
  return shown.map((column, i) => [column, widths[i] ?? Math.max(20, width - taken)] as const);
}

function monthToSecond(time: string): string {
  return `${time.slice(5, 10)} ${time.slice(11, 19)}`;
}

/** Both ends in at most `width` characters; the initiator's port goes first, then the tails of the addresses. */
function between({ source, destination }: SessionRecord, width: number): string {
  const full = `${hostPort(source)} → ${hostPort(destination)}`;
  if (full.length <= width) return full;
  const shorter = `${source.ip} → ${hostPort(destination)}`;
  if (shorter.length <= width) return shorter;
  const right = hostPort(destination);
  const left = clip(source.ip, Math.max(Math.floor((width - 3) / 2), width - 3 - right.length));
  return `${left} → ${clip(right, width - 3 - left.length)}`;
}

function version({ mptcp }: SessionRecord): readonly [string, Tone] {
  if (mptcp.fallback !== null) return ["tcp", "doubt"];
  return mptcp.version === null ? ["?", "doubt"] : [String(mptcp.version), null];
}

function whole(stream: { initiator: StreamRecord; responder: StreamRecord }): readonly [string, Tone] {
  if (stream.initiator.complete && stream.responder.complete) return ["yes", "good"];
  const holes = stream.initiator.missing_octets + stream.responder.missing_octets > 0;
  return holes ? ["holes", "doubt"] : ["no end", "quiet"];
}

/** Joined subflows with both HMACs verified, of all joined; failed ones first. */
function joins({ mptcp }: SessionRecord): readonly [string, Tone] {
  const verdicts = mptcp.subflows.flatMap(({ join }) => (join === null ? [] : [join.hmac]));
  if (verdicts.length === 0) return ["-", "quiet"];
  const failed = verdicts.filter((hmac) => hmac.initiator === "failed" || hmac.responder === "failed").length;
  if (failed > 0) return [`${failed} bad`, "bad"];
  const verified = verdicts.filter((hmac) => hmac.initiator === "verified" && hmac.responder === "verified").length;
  return verified === verdicts.length
    ? [`${verified}/${verified} ok`, "good"]
    : [`${verified}/${verdicts.length} ?`, "doubt"];
}

function end({ mptcp }: SessionRecord): readonly [string, Tone] {
  if (mptcp.close === null) return ["open", "quiet"];
  const { reason } = mptcp.close;
  return [reason, reason === "fin" ? null : "doubt"];
}
