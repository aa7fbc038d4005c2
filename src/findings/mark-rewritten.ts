import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/** DSCP (RFC 2474) or ECN (RFC 3168) was changed between two agents: a network's policy, or traffic treated as another's. */
export const markRewritten: Rule = ({ mptcp }) =>
  (mptcp.rewritten ?? [])
    .filter(({ kind }) => kind === "dscp" || kind === "ecn")
    .map(({ kind, subflow, side, between: [before, after], packets, first }) => ({
      kind: "mark-rewritten",
      subject: `${kind}-${side}-${before}-${after}`,
      subflow,
      side,
      message: `${kind.toUpperCase()} of ${counted(packets, "packet")} of the ${side} on subflow ${subflow} was changed between ${before} and ${after}${octets(first)}`,
    }));

/** The octet of DSCP and ECN of the first such packet, before and behind. */
function octets({ before, after }: { before: string | null; after: string | null }): string {
  return before === null || after === null ? "" : `, first 0x${before} to 0x${after}`;
}
