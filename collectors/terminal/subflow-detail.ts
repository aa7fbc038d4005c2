import type { SessionRecord, SubflowRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { lostPath } from "./lost-path.ts";
import { type Style, verdictWord } from "./style.ts";
import { counted, hostPort, humanOctets, milliseconds, pad, printable } from "./text.ts";

const WIDTHS = [3, 9, 7, 5, 10, 9, 10, 14] as const;
const TITLES = ["SUB", "SIDE", "PAYLOAD", "SHARE", "SENT AGAIN", "REORDERED", "REINJECTED", "ROUND TRIP"] as const;

/** One subflow in lines of any length: its ends, its time and how it ended, its join, what is rare. */
export function subflowLines(record: SessionRecord, subflow: SubflowRecord, style: Style): string[] {
  const { source, destination, join } = subflow;
  const parts = [`${hostPort(source)} → ${hostPort(destination)}`, ending(subflow)];
  if (subflow.opener === "responder") parts.push("opened by the responder");
  if (subflow.backup) parts.push("backup");
  if (subflow.agents.length > 0) parts.push(`seen by ${subflow.agents.map(printable).join(", ")}`);
  const lost = lostPath(record, subflow);
  const lines = [
    `  subflow ${subflow.id} ${subflow.kind.padEnd(7)} ${parts.join(", ")}`,
    `    ${lifetime(subflow)}, ${humanOctets(source.bytes)} out, ${humanOctets(destination.bytes)} back` +
      (lost === null ? "" : `; ${style.doubt(lost)}`),
  ];
  if (join !== null) {
    const why = join.unverifiable_reason === undefined ? "" : ` (${join.unverifiable_reason})`;
    const words = SIDES.map((side) => `${side} ${verdictWord(join.hmac[side], style)}`);
    lines.push(`    join HMAC: ${words.join(", ")}${why}`);
  }
  for (const one of subflow.translated ?? []) {
    const ends = `${hostPort(one.source)} → ${hostPort(one.destination)}`;
    lines.push(`    behind a translator: ${ends}, seen by ${one.agents.map(printable).join(", ")}`);
  }
  const besides = rare(subflow);
  if (besides.length > 0) lines.push(`    besides: ${besides.join(", ")}`);
  return lines;
}

/**
 * What each side sent on each subflow, as a table 76 columns wide; none for records that have no figures. ROUND TRIP is
 * from the agent to this side and back, the least and the smoothed one.
 */
export function figuresTable({ mptcp }: SessionRecord, style: Style): string[] {
  const rows = mptcp.subflows.flatMap(({ id, data, round_trip }) => {
    if (data === undefined) return [];
    return SIDES.map((side) => {
      const { octets, share, retransmissions, out_of_order, reinjected_octets } = data[side];
      return line([
        side === "initiator" ? String(id) : "",
        side,
        humanOctets(octets),
        share === null ? "-" : `${Math.round(share * 100)} %`,
        String(retransmissions),
        String(out_of_order),
        humanOctets(reinjected_octets),
        roundTrip(round_trip?.[side] ?? null),
      ]);
    });
  });
  return rows.length === 0 ? [] : [style.strong(line(TITLES)), ...rows];
}

function line(cells: readonly string[]): string {
  return `  ${cells.map((cell, i) => pad(cell, WIDTHS[i] ?? 0, i === 1 ? "left" : "right")).join(" ")}`.trimEnd();
}

function roundTrip(measured: { min_micros: number; smoothed_micros: number } | null): string {
  if (measured === null) return "-";
  return `${milliseconds(measured.min_micros)}/${milliseconds(measured.smoothed_micros)} ms`;
}

function ending({ close: { reason, mp_tcprst } }: SubflowRecord): string {
  if (mp_tcprst === undefined) return reason;
  return reason === "reset"
    ? `reset by the ${mp_tcprst.side} (${mp_tcprst.reason})`
    : `${reason} (${mp_tcprst.reason})`;
}

/** `20:08:12.934 to 20:08:14.881 (1.946 s)`. */
function lifetime({ start, end }: SubflowRecord): string {
  const seconds = Math.max(0, Date.parse(end) - Date.parse(start)) / 1000;
  return `${timeOfDay(start)} to ${timeOfDay(end)} (${seconds.toFixed(3)} s)`;
}

const timeOfDay = (time: string): string => new Date(time).toISOString().slice(11, 23);

/** What most subflows have none of. */
function rare(subflow: SubflowRecord): string[] {
  const { data, keep_alives, contradicting_mappings, implausible_segments } = subflow;
  const parts: string[] = [];
  const say = (count: number | undefined, noun: string, words = ""): void => {
    if (count) parts.push(counted(count, noun) + words);
  };
  for (const side of SIDES) {
    say(data?.[side].unmapped_octets, "octet", ` of the ${side} without a mapping`);
    say(data?.[side].refused_octets, "octet", ` of the ${side} in no stream`);
  }
  say(keep_alives, "keep-alive");
  say(contradicting_mappings, "mapping", " against an earlier one");
  say(implausible_segments, "segment", " that no host takes");
  return parts;
}
