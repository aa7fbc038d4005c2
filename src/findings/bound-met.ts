import type { Rule } from "./finding.ts";

/** A bound kept something out of the session's record: what it says is not all. */
export const boundMet: Rule = ({ rejoin }) => {
  const shed = Object.entries(rejoin?.shed ?? {});
  if (shed.length === 0) return [];
  const parts = shed.map(([what, count]) => `${count} ${what}`).join(", ");
  return [
    { kind: "bound-met", subject: "", subflow: null, side: null, message: `bounds kept out of the record: ${parts}` },
  ];
};
