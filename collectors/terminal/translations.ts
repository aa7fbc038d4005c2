import type { SessionRecord, SubflowRecord } from "../../schema/session-record.ts";
import { hostPort } from "./text.ts";

/** Translated subflows that are named; further ones are counted. */
const MAX_NAMED = 3;

/** With which other addresses agents beyond a NAT saw a session's subflows, in a sentence; null where none did. */
export function translations({ mptcp }: SessionRecord): string | null {
  const seen = mptcp.subflows.flatMap((subflow) => {
    const others = (subflow.translated ?? []).flatMap((other) => changedEnds(subflow, other) ?? []);
    return others.length === 0 ? [] : [`subflow ${subflow.id} also seen ${others.join(" and ")}`];
  });
  if (seen.length === 0) return null;
  const more = seen.length > MAX_NAMED ? `, and ${seen.length - MAX_NAMED} more` : "";
  return `NAT: ${seen.slice(0, MAX_NAMED).join(", ")}${more}`;
}

type Ends = Pick<NonNullable<SubflowRecord["translated"]>[number], "source" | "destination">;

/** The ends that are others than the subflow's own: `from 10.20.2.1:17160`. Null where both are the same. */
function changedEnds(subflow: Ends, other: Ends): string | null {
  const differs = (end: keyof Ends) => hostPort(subflow[end]) !== hostPort(other[end]);
  const words = [
    ...(differs("source") ? [`from ${hostPort(other.source)}`] : []),
    ...(differs("destination") ? [`to ${hostPort(other.destination)}`] : []),
  ];
  return words.length === 0 ? null : words.join(" ");
}
