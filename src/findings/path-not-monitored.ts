import { SIDES } from "../../schema/session-vocabulary.ts";
import { counted, type Rule } from "./finding.ts";

/** What an agent loses of its copies is less than this share of a stream, and may be a segment or two of a short one. */
const LOSS_SHARE = 0.05;
const LOSS_OCTETS = 3000;

/**
 * The other side acknowledged octets that no agent saw: a path of the session, or a part of its time, is not watched. Told
 * at the end only: while a session lives, the copies of one agent may be behind those of another.
 */
export const pathNotMonitored: Rule = ({ mptcp }) => {
  if (mptcp.close === null) return [];
  return SIDES.flatMap((side) => {
    const octets = mptcp.stream[side].unseen_octets ?? 0;
    const share = mptcp.stream[side].unseen_share ?? 0;
    if (octets < LOSS_OCTETS || share < LOSS_SHARE) return [];
    return {
      kind: "path-not-monitored",
      subject: side,
      subflow: null,
      side,
      message: `${counted(octets, "octet")} of the ${side} (${Math.round(share * 100)} %) were acknowledged, and no agent saw them`,
    };
  });
};
