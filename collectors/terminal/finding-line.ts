import type { FindingRecord } from "../../schema/finding-record.ts";
import { FINDINGS, type FindingKind } from "../../schema/finding-vocabulary.ts";
import type { Style } from "./style.ts";
import { clip, hostPort, monthToSecond, printable } from "./text.ts";

/** A finding as a line that stands under its session's, at most `width` columns wide. */
export function findingText(kind: FindingKind, message: string, style: Style, width: number | null): string {
  const text = printable(`  ! ${kind}: ${message}`);
  return (FINDINGS[kind] === 1 ? style.doubt : style.bad)(width === null ? text : clip(text, width));
}

/** A finding record as one line: when, the session's short id, what; at most `width` columns wide. */
export function findingLine(record: FindingRecord, style: Style, width: number | null): string {
  const { event, message, mptcp } = record;
  const before = `${monthToSecond(record["@timestamp"])} ${mptcp.session.id.slice(0, 8)}`;
  return before + findingText(event.action, message, style, width === null ? null : width - before.length);
}

/** A finding record in full: what, when, who, and the whole message. */
export function findingDetail(record: FindingRecord, style: Style): string[] {
  const { event, message, mptcp, source, destination } = record;
  const subflow = mptcp.subflow === null ? [] : [`subflow ${mptcp.subflow}`];
  return [
    `finding ${style.strong(event.action)} ${record["@timestamp"]} severity ${event.severity}`,
    `  ${[`session ${mptcp.session.id}`, ...subflow].join(", ")}: ${hostPort(source)} → ${hostPort(destination)}`,
    (FINDINGS[event.action] === 1 ? style.doubt : style.bad)(printable(`  ${message}`)),
  ];
}
