import { SIDES } from "../../schema/session-vocabulary.ts";
import { counted, type Rule } from "./finding.ts";

/** Octets of a stream came again and were others: whoever looks at one copy only can be deceived. */
export const octetsDiffer: Rule = ({ mptcp }) =>
  SIDES.filter((side) => (mptcp.stream[side].conflicting ?? 0) > 0).map((side) => ({
    kind: "octets-differ",
    subject: side,
    subflow: null,
    side,
    message: `${counted(mptcp.stream[side].conflicting ?? 0, "octet")} of the ${side} came again and were others`,
  }));
