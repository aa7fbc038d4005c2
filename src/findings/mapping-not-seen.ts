import type { SessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { unseenWorthTelling } from "./acknowledged-unseen.ts";
import type { Rule } from "./finding.ts";

/**
 * The other side acknowledged octets that agents saw without the mapping that says where they belong (RFC 8684 §3.3.1):
 * the path is watched, and its copies are cut inside their TCP options, or those that state mappings are missing. Told at the
 * end only.
 */
export const mappingNotSeen: Rule = ({ mptcp }) => {
  if (mptcp.close === null) return [];
  return SIDES.flatMap((side) => {
    const octets = unseenWorthTelling(mptcp, side, "unmapped");
    if (octets === null) return [];
    const cut = "copies were cut inside their options (a snap length)";
    const why = areCopiesCut(mptcp) ? cut : `${cut}, or what states the mappings was not copied`;
    return {
      kind: "mapping-not-seen",
      subject: side,
      subflow: null,
      side,
      message: `${octets} were seen without their mappings and are in no stream: ${why}`,
    };
  });
};

/** Whether anything else in the record says that copies were cut. */
function areCopiesCut({ stream, subflows }: SessionRecord["mptcp"]): boolean {
  return (
    SIDES.some((side) => stream[side].cut_octets !== undefined) ||
    subflows.some(({ join }) => join?.unverifiable_reason === "truncated")
  );
}
