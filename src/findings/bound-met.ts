import type { Rule } from "./finding.ts";

const singular = (what: string): string => what.replace(/(?<=ss)es$|s$/, "");

/** A bound kept something out of the session's record: what it says is not all. */
export const boundMet: Rule = ({ rejoin }) => {
  const shed = Object.entries(rejoin?.shed ?? {});
  if (shed.length === 0) return [];
  const parts = shed.map(([what, count]) => `${count} ${count === 1 ? singular(what) : what}`).join(", ");
  return [
    { kind: "bound-met", subject: "", subflow: null, side: null, message: `bounds kept out of the record: ${parts}` },
  ];
};
