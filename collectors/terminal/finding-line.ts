import type { FindingRecord } from "../../schema/finding-record.ts";
import type { Style } from "./style.ts";
import { printable } from "./text.ts";

/** A finding as one line that stands under its session's: the session's short id, what was found, and the sentence. */
export function findingLine({ event, message, mptcp }: FindingRecord, style: Style): string {
  const kind = event.severity === 1 ? style.doubt(event.action) : style.bad(event.action);
  return `  ! ${mptcp.session.id.slice(0, 8)} ${kind}: ${printable(message)}`;
}
