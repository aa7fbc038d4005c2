import { SIDES } from "../../schema/session-vocabulary.ts";
import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/**
 * Octets came on a join that nothing shows to be the session's (RFC 8684 §3.2), no HMAC and no answer: somebody knew the
 * token, or copies of its handshake were lost. Told at the end only: what proves it may come late.
 */
export const joinUnproven: Rule = ({ mptcp }) => {
  if (mptcp.close === null) return [];
  return mptcp.subflows.flatMap(({ id, join, data }) => {
    if (data === undefined || SIDES.some((side) => join?.hmac[side] === "failed")) return [];
    return SIDES.filter((side) => (data[side].refused_octets ?? 0) > 0).map((side) => {
      const octets = data[side].refused_octets ?? 0;
      const they = octets === 1 ? "it is" : "they are";
      return {
        kind: "join-unproven",
        subject: side,
        subflow: id,
        side,
        message: `${counted(octets, "octet")} of the ${side} came on subflow ${id}, whose join nothing proves: ${they} in no stream`,
      };
    });
  });
};
