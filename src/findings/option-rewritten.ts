import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

const WORDS: Readonly<Record<string, readonly [one: string, several: string]>> = {
  "option-stripped": ["lost its MPTCP options", "lost their MPTCP options"],
  "option-added": ["was given MPTCP options", "were given MPTCP options"],
  "option-changed": ["was given other MPTCP options", "were given other MPTCP options"],
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
      message: `${counted(packets, "packet")} of the ${side} on subflow ${subflow} ${packets === 1 ? words[0] : words[1]} between ${before} and ${after}`,
    };
  });
