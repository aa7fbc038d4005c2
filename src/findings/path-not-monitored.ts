import { SIDES } from "../../schema/session-vocabulary.ts";
import { unseenWorthTelling } from "./acknowledged-unseen.ts";
import type { Rule } from "./finding.ts";

/**
 * The other side acknowledged octets of which no copy came: a path of the session, or a part of its time, is not watched. Told
 * at the end only: while a session lives, the copies of one agent may be behind those of another.
 */
export const pathNotMonitored: Rule = ({ mptcp }) => {
  if (mptcp.close === null) return [];
  return SIDES.flatMap((side) => {
    const octets = unseenWorthTelling(mptcp, side, "uncopied");
    if (octets === null) return [];
    return {
      kind: "path-not-monitored",
      subject: side,
      subflow: null,
      side,
      message: `${octets} were acknowledged, and no copy of them came: they passed no agent, or their copies were lost`,
    };
  });
};
