import type { FindingRecord } from "../../schema/finding-record.ts";
import { FINDINGS, type FindingKind } from "../../schema/finding-vocabulary.ts";
import type { Style } from "./style.ts";
import { clip, printable } from "./text.ts";

/** A finding as a line that stands under its session's, at most `width` columns wide. */
export function findingText(kind: FindingKind, message: string, style: Style, width: number | null): string {
  const text = printable(`  ! ${kind}: ${message}`);
  return (FINDINGS[kind] === 1 ? style.doubt : style.bad)(width === null ? text : clip(text, width));
}

/** A finding record as one line, which begins with its session's short id. */
export function findingLine({ event, message, mptcp }: FindingRecord, style: Style, width: number | null): string {
  return `${mptcp.session.id.slice(0, 8)}${findingText(event.action, message, style, width === null ? null : width - 8)}`;
}
