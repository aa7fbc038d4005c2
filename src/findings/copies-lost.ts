import { SIDES } from "../../schema/session-vocabulary.ts";
import { counted } from "../record/count-text.ts";
import { acknowledgedUnseen } from "./acknowledged-unseen.ts";
import type { Rule } from "./finding.ts";

/**
 * Octets are missing; agents of the session lost copies while it was open: the hole may be in the mirror, and not in the
 * traffic. Told at the end only, as a copy may come late.
 */
export const copiesLost: Rule = ({ mptcp }) => {
  const { close, stream, copies_lost: lost = [] } = mptcp;
  if (close === null || lost.length === 0) return [];
  const copies = lost.reduce((sum, one) => sum + one.copies, 0);
  const agents = lost.map(({ agent }) => agent).join(", ");
  return SIDES.flatMap((side) => {
    const octets = Math.max(stream[side].missing_octets, acknowledgedUnseen(mptcp, side).uncopied);
    if (octets === 0) return [];
    return {
      kind: "copies-lost",
      subject: side,
      subflow: null,
      side,
      message: `${counted(octets, "octet")} of the ${side} missing; ${agents} lost ${counted(copies, "copy", "copies")} meanwhile`,
    };
  });
};
