import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/** A segment says twice what it says once (RFC 8684 §3): hosts differ in which of the two they take, and so may who watches. */
export const optionRepeated: Rule = ({ mptcp }) => {
  const repeated = mptcp.options?.repeated ?? 0;
  if (repeated === 0) return [];
  return [
    {
      kind: "option-repeated",
      subject: "",
      subflow: null,
      side: null,
      message: `${counted(repeated, "MPTCP option")} stood twice in a segment: the last is taken here, as Linux does, and another host may have taken the first`,
    },
  ];
};
