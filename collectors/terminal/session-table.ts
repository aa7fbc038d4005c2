import type { SessionRecord, StreamRecord } from "../../schema/session-record.ts";
import { findingsIn } from "../../src/findings/rules.ts";
import { findingText } from "./finding-line.ts";
import { lostPaths } from "./lost-path.ts";
import { worseStreamEnd } from "./stream-end.ts";
import type { Style } from "./style.ts";
import { clip, counted, fill, hostPort, humanOctets, monthToSecond, pad, printable } from "./text.ts";
import { translations } from "./translations.ts";

/** Findings that stand under a session in a table; further ones are counted. */
export const MAX_FINDINGS_SHOWN = 8;
/** From this width on there is room for start, version and long reasons. */
const WIDE_COLUMNS = 112;
/** Room for both ends where nothing is cut: only two rather long IPv6 addresses put what follows out of line. */
const UNCUT_ENDS = 53;

type Tone = keyof Style | null;

interface Column {
  readonly title: string;
  /** Characters; the one column without takes what the others leave. */
  readonly width?: number;
  readonly stand: "left" | "right";
  /** Stands in wide tables only, or in narrow ones only. */
  readonly only?: "wide" | "narrow";
  /** Stands only where a session may have several rows. */
  readonly ofRevisions?: true;
  readonly cell: (record: SessionRecord, width: number | null) => readonly [text: string, tone: Tone];
}

const COLUMNS: readonly Column[] = [
  {
    title: "START UTC",
    width: 14,
    stand: "left",
    only: "wide",
    cell: (r) => [monthToSecond(r.event.start), "quiet"],
  },
  { title: "SESSION", width: 8, stand: "left", cell: (r) => [r.mptcp.session.id.slice(0, 8), null] },
  {
    title: "RECORD",
    width: 7,
    stand: "left",
    only: "wide",
    ofRevisions: true,
    cell: (r) => [moment(r), r.mptcp.close === null ? "quiet" : null],
  },
  { title: "INITIATOR → RESPONDER", stand: "left", cell: (r, width) => [between(r, width), "strong"] },
  { title: "V", width: 3, stand: "left", only: "wide", cell: version },
  { title: "SUB", width: 3, stand: "right", cell: (r) => [String(r.mptcp.subflows.length), null] },
  { title: "SENT", width: 7, stand: "right", cell: (r) => [humanOctets(r.mptcp.stream.initiator.octets), null] },
  { title: "ANSWER", width: 7, stand: "right", cell: (r) => [humanOctets(r.mptcp.stream.responder.octets), null] },
  { title: "WHOLE", width: 6, stand: "left", cell: whole },
  { title: "JOINS", width: 6, stand: "left", cell: joins },
  { title: "END", width: 12, stand: "left", only: "wide", cell: (r) => end(r, "open") },
  // The reason of the end is cut, not the addresses; and the row says itself which record of the session it is.
  { title: "END", width: 9, stand: "left", only: "narrow", cell: (r) => end(r, moment(r)) },
];

/** Sessions as lines under each other: the heading, and for each record a row, with lines for lost paths, translated addresses and findings. */
export interface SessionTable {
  readonly header: string;
  row(record: SessionRecord): string;
}

/**
 * A table `width` columns wide (at least 80), or one in which nothing is cut (null). With `revisions` it tells the
 * records of one session apart.
 */
export function sessionTable(width: number | null, style: Style, { revisions }: { revisions: boolean }): SessionTable {
  const columns = layout(width, revisions);
  const stands = width === null ? pad : fill;
  return {
    header: style.strong(
      columns
        .map(([{ title, stand }, characters]) => fill(title, characters, stand))
        .join(" ")
        .trimEnd(),
    ),
    row(record) {
      const cells = columns.map(([column, characters]) => {
        const [text, tone] = column.cell(record, width === null ? null : characters);
        const filled = stands(printable(text), characters, column.stand);
        return tone === null ? filled : style[tone](filled);
      });
      const findings = findingsIn(record);
      const lines = findings
        .slice(0, MAX_FINDINGS_SHOWN)
        .map(({ kind, message }) => findingText(kind, message, style, width));
      const more = findings.length - lines.length;
      if (more > 0) lines.push(style.bad(`  ! and ${counted(more, "finding")} more`));
      const below = (text: string | null, tone: keyof Style): void => {
        if (text !== null) lines.unshift(style[tone](width === null ? `  - ${text}` : clip(`  - ${text}`, width)));
      };
      below(translations(record), "quiet");
      below(lostPaths(record), "doubt");
      return [cells.join(" ").trimEnd(), ...lines].join("\n");
    },
  };
}

function layout(width: number | null, revisions: boolean): (readonly [Column, number])[] {
  const size = width === null || width >= WIDE_COLUMNS ? "wide" : "narrow";
  const shown = COLUMNS.filter(
    ({ only, ofRevisions }) => (only ?? size) === size && (revisions || ofRevisions === undefined),
  );
  const taken = shown.reduce((sum, column) => sum + (column.width ?? 0), shown.length - 1);
  const left = width === null ? UNCUT_ENDS : Math.max(20, width - taken);
  return shown.map((column) => [column, column.width ?? left] as const);
}

/** Which of its session's records this is: `opened`, `updated` or `ended`. */
function moment({ event }: SessionRecord): string {
  return event.action.slice("session-".length);
}

/** Both ends in at most `width` characters; the initiator's port goes first, then the tails of the addresses. */
function between({ source, destination }: SessionRecord, width: number | null): string {
  const full = `${hostPort(source)} → ${hostPort(destination)}`;
  if (width === null || full.length <= width) return full;
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

const END_WORDS = { unseen: "no end", unconfirmed: "end ?", "beginning-unseen": "part" } as const;

function whole(record: SessionRecord): readonly [string, Tone] {
  const { initiator, responder } = record.mptcp.stream;
  const missing = initiator.missing_octets + responder.missing_octets;
  // Where copies were cut, nothing was missed: the capture has a snap length.
  if (missing > 0) return [missing === cutOctets(initiator) + cutOctets(responder) ? "cut" : "holes", "doubt"];
  const end = worseStreamEnd(record);
  return end === null ? ["yes", "good"] : [END_WORDS[end], "quiet"];
}

const cutOctets = ({ cut_octets }: StreamRecord): number => cut_octets ?? 0;

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

function end({ mptcp }: SessionRecord, otherwise: string): readonly [string, Tone] {
  if (mptcp.close === null) return [otherwise, "quiet"];
  const { reason } = mptcp.close;
  return [reason, reason === "fin" ? null : "doubt"];
}
