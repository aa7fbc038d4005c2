import { FATES, type FateName } from "../../src/fate.ts";
import type { Totals } from "../../src/pipeline.ts";
import { counted, grouped, wrapped } from "../terminal/text.ts";

/**
 * The totals of a reading as aligned text for people, in lines of at most `width` columns (null: as long as they are);
 * ends with a line break. `partial`: sessions without a handshake were shown.
 */
export function renderSummary(totals: Totals, width: number | null, partial: boolean): string {
  const { sessions, subflows, octets } = totals;
  const fates = Object.entries(totals.packets).sort(([, a], [, b]) => b - a);
  const lines: [label: string, text: string, indent?: number][] = [["packets", grouped(totals.packetsIn)]];
  const digits = Math.max(...fates.map(([, packets]) => grouped(packets).length), 0);
  for (const [fate, packets] of fates)
    lines.push(["", `${grouped(packets).padStart(digits)}  ${fate}: ${meaningOf(fate)}`, digits + 2]);
  lines.push([
    "sessions",
    `${grouped(sessions.opened)} opened, ${grouped(sessions.ended)} ended${endings(totals.endedBy)}`,
  ]);
  if (sessions.partial > 0) {
    lines.push(["", `${grouped(sessions.partial)} without a handshake${partial ? "" : leftOut(sessions.partial)}`]);
  }
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
  const findings = Object.entries(totals.findings);
  if (findings.length > 0) {
    lines.push(["findings", findings.map(([kind, count]) => findingWords(kind, count)).join(", ")]);
  }
  for (const [what, count] of Object.entries(totals.shed)) lines.push(["left out", leftOutWords(what, count)]);
  lines.push(["records", grouped(totals.records)]);
  const column = Math.max(...lines.map(([label]) => label.length)) + 2;
  return lines
    .flatMap(([label, text, indent]) => wrapped(label.padEnd(column) + text, width, column + (indent ?? 0)))
    .map((line) => `${line}\n`)
    .join("");
}

/**
 * One line that closes a table: what was in the packets, and what the table leaves out. `partial`: it left out no
 * session for want of a handshake.
 */
export function renderFooter(totals: Totals, partial: boolean): string {
  const { sessions, subflows } = totals;
  const joined = subflows.initial + subflows.joined;
  const shown = `${counted(sessions.ended, "session")} of ${counted(joined, "subflow")}`;
  const packets = `in ${counted(totals.packetsIn, "packet")}${plainWords(totals)}${uncomparedWords(totals)}${cutWords(totals)}${unread(totals)}`;
  if (sessions.partial === 0) return `${shown} ${packets}\n`;
  if (partial) return `${shown} and ${grouped(sessions.partial)} without a handshake ${packets}\n`;
  return `${shown} ${packets}; ${counted(sessions.partial, "session")} without a handshake${leftOut(sessions.partial)}\n`;
}

/** What packets may be wrapped in that is not read: there may be MPTCP in them, and nothing else says so. */
const UNREAD: readonly FateName[] = [
  "decapsulate/link-type-unknown",
  "decapsulate/mpls",
  "decapsulate/ppp",
  "decapsulate/vlan-depth",
  "decapsulate/tunnel-depth",
];

/**
 * How many packets nobody looked into, and why, such as `2 packets were not looked into (a link type that is not read)`; null
 * for none.
 */
export function unreadWords({ packets }: Totals): string | null {
  const there = UNREAD.filter((fate) => (packets[fate] ?? 0) > 0);
  if (there.length === 0) return null;
  const count = there.reduce((sum, fate) => sum + (packets[fate] ?? 0), 0);
  return `${counted(count, "packet")} ${count === 1 ? "was" : "were"} not looked into (${there.map(meaningOf).join("; ")})`;
}

function unread(totals: Totals): string {
  const words = unreadWords(totals);
  return words === null ? "" : `; ${words}`;
}

/** An empty table is right then, and no fault of whoever reads it. */
function plainWords({ packets, packetsIn, sessions }: Totals): string {
  const isPlain = Object.keys(packets).every((fate) => fate === "subflow/plain-tcp" || isBeforeTcp(fate));
  return packetsIn > 0 && isPlain && sessions.halfOpen === 0 ? "; none of them shows MPTCP" : "";
}

/** Whether packets of a fate were looked into, and no TCP came out. */
function isBeforeTcp(fate: string): boolean {
  return fate.startsWith("decapsulate/") && !UNREAD.some((one) => one === fate);
}

/** A capture of so few octets shows MPTCP as plain TCP. */
function cutWords({ packets }: Totals): string {
  const count = packets["subflow/options-cut"] ?? 0;
  if (count === 0) return "";
  return `; ${counted(count, "packet")} ${count === 1 ? "ends" : "end"} inside the TCP options, where MPTCP would stand: capture more of each packet (tcpdump -s 0)`;
}

/** Nobody knows of these whether both places saw the same. */
function uncomparedWords({ shed }: Totals): string {
  const count = shed["copies-not-compared"] ?? 0;
  return count === 0 ? "" : `; ${grouped(count)} second ${count === 1 ? "copy was" : "copies were"} not compared`;
}

/** What a bound left out, by its name in the totals. */
function leftOutWords(what: string, count: number): string {
  switch (what) {
    case "copies-not-compared":
      return `the comparison of ${grouped(count)} second ${count === 1 ? "copy" : "copies"} with the first, whose octets were not kept`;
    case "rewritings":
      return `${counted(count, "packet")} rewritten between agents, on more subflows than are followed at a time`;
    case "fragmented-packets":
      return `${counted(count, "packet")} of which not all fragments came, or that gave way to others`;
    case "asked-joins":
      return `what ${counted(count, "SYN")} of joins said, on 4-tuples that other flows had`;
    case "early-answers":
      return `the order of ${counted(count, "answer")} told as plain TCP, for which too much waited`;
    case "round-trips":
      return `${counted(count, "round-trip time")} under measurement, for those of other subflows`;
    default:
      return `${grouped(count)} ${what}`;
  }
}

function findingWords(kind: string, count: number): string {
  return kind === "left-out" ? `${grouped(count)} more than are told` : `${kind} ${grouped(count)}`;
}

function leftOut(sessions: number): string {
  return ` left out (--partial shows ${sessions === 1 ? "it" : "them"})`;
}

function endings(endedBy: Totals["endedBy"]): string {
  const parts = Object.entries(endedBy).map(([reason, sessions]) => `${reason} ${grouped(sessions)}`);
  return parts.length > 0 ? ` (${parts.join(", ")})` : "";
}

function meaningOf(name: string): string {
  return FATES.find(({ stage, reason }) => `${stage}/${reason}` === name)?.meaning ?? "";
}
