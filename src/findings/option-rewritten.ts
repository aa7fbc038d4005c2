import { counted, type Rule } from "./finding.ts";

const WORDS: Readonly<Record<string, string>> = {
  "option-stripped": "lost their MPTCP options",
  "option-added": "were given MPTCP options",
  "option-changed": "were given other MPTCP options",
};

/** MPTCP options were taken off, added or changed between two agents (RFC 8684 §3.7 on middleboxes). */
export const optionRewritten: Rule = ({ mptcp }) =>
  (mptcp.rewritten ?? []).flatMap(({ kind, subflow, side, between: [before, after], packets }) => {
    const words = WORDS[kind];
    if (words === undefined) return [];
    return {
      kind: "option-rewritten",
      subject: `${kind}-${side}-${before}-${after}`,
      subflow,
      side,
      message: `${counted(packets, "packet")} of the ${side} on subflow ${subflow} ${words} between ${before} and ${after}`,
    };
  });
