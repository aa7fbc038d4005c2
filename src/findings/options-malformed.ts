import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/** MPTCP options of lengths that they cannot have (RFC 8684 §3): a host that is broken or hostile, or a box on the way. */
export const optionsMalformed: Rule = ({ mptcp }) => {
  const malformed = mptcp.options?.malformed ?? 0;
  if (malformed === 0) return [];
  return [
    {
      kind: "options-malformed",
      subject: "",
      subflow: null,
      side: null,
      message: `${counted(malformed, "MPTCP option")} ${malformed === 1 ? "has a length that it" : "have lengths that they"} cannot have: hosts ignore them`,
    },
  ];
};
