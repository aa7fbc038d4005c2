import type { StreamRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/** Octets of a stream came again and were others: whoever looks at one copy only can be deceived. */
export const octetsDiffer: Rule = ({ mptcp }) =>
  SIDES.filter((side) => (mptcp.stream[side].conflicting ?? 0) > 0).map((side) => {
    const { conflicting, conflicts, conflicts_left_out } = mptcp.stream[side];
    const [first] = conflicts;
    const octets = conflicting ?? 0;
    const where = first === undefined ? "" : `, first ${conflictWords(first)}`;
    // As Linux's probes of a closed window, where no acknowledgment came before them: what somebody put in place of a text has
    // places of more than one.
    const alone = octets > 1 && conflicts.length + conflicts_left_out === octets ? ", each alone," : "";
    return {
      kind: "octets-differ",
      subject: side,
      subflow: null,
      side,
      message: `${counted(octets, "octet")} of the ${side}${alone} came again and ${octets === 1 ? "was another" : "were others"}${where}`,
    };
  });

/** A conflict of a stream in words: `at octet 12 of the stream: 6162 on subflow 0 (a), later 7879 on subflow 1 (b)`. */
export function conflictWords({ offset, first, second }: StreamRecord["conflicts"][number]): string {
  const copy = ({ subflow, agent, octets }: typeof first) =>
    `${octets} on ${subflow === null ? "a subflow that is no more" : `subflow ${subflow}`} (${agent})`;
  return `at octet ${offset} of the stream: ${copy(first)}, later ${copy(second)}`;
}
