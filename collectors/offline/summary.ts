import { FATES } from "../../src/fate.ts";
import type { Totals } from "../../src/pipeline.ts";
import { counted, grouped } from "../terminal/text.ts";

/** The totals of a reading as aligned text for people; ends with a line break. */
export function renderSummary(totals: Totals): string {
  const { sessions, subflows, octets } = totals;
  const fates = Object.entries(totals.packets).sort(([, a], [, b]) => b - a);
  const lines: [label: string, text: string][] = [["packets", grouped(totals.packetsIn)]];
  const width = Math.max(...fates.map(([, packets]) => grouped(packets).length), 0);
  for (const [fate, packets] of fates)
    lines.push(["", `${grouped(packets).padStart(width)}  ${fate}: ${meaningOf(fate)}`]);
  lines.push([
    "sessions",
    `${grouped(sessions.opened)} opened, ${grouped(sessions.ended)} ended${endings(totals.endedBy)}`,
  ]);
  if (sessions.partial > 0) lines.push(["", `${grouped(sessions.partial)} without a handshake (--partial shows them)`]);
  if (sessions.halfOpen > 0) lines.push(["", `${grouped(sessions.halfOpen)} more asked for MPTCP and got no answer`]);
  lines.push([
    "subflows",
    `${grouped(subflows.initial)} initial, ${grouped(subflows.joined)} joined, ${grouped(subflows.orphan)} orphan`,
  ]);
  lines.push([
    "octets",
    `${grouped(octets.initiator)} from initiators, ${grouped(octets.responder)} from responders, ${grouped(octets.missing)} missing`,
  ]);
  for (const [check, found] of Object.entries(totals.verdicts)) {
    const text = `${grouped(found.verified)} verified, ${grouped(found.failed)} failed, ${grouped(found.unverifiable)} unverifiable`;
    lines.push([check, text]);
  }
  lines.push(["records", grouped(totals.records)]);
  const column = Math.max(...lines.map(([label]) => label.length)) + 2;
  return lines.map(([label, text]) => `${label.padEnd(column)}${text}\n`).join("");
}

/** One line that closes a table: what was in the packets, and what the table leaves out. */
export function renderFooter(totals: Totals): string {
  const { sessions, subflows } = totals;
  const joined = subflows.initial + subflows.joined;
  const left =
    sessions.partial > 0 ? `; ${grouped(sessions.partial)} sessions without a handshake left out (--partial)` : "";
  return `${counted(sessions.ended, "session")} of ${counted(joined, "subflow")} in ${counted(totals.packetsIn, "packet")}${left}\n`;
}

function endings(endedBy: Totals["endedBy"]): string {
  const parts = Object.entries(endedBy).map(([reason, sessions]) => `${reason} ${grouped(sessions)}`);
  return parts.length > 0 ? ` (${parts.join(", ")})` : "";
}

function meaningOf(name: string): string {
  return FATES.find(({ stage, reason }) => `${stage}/${reason}` === name)?.meaning ?? "";
}
