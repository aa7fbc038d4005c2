import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/** The payload of packets was changed between two agents. */
export const payloadRewritten: Rule = ({ mptcp }) =>
  (mptcp.rewritten ?? [])
    .filter(({ kind }) => kind === "payload")
    .map(({ subflow, side, between: [before, after], packets, first }) => ({
      kind: "payload-rewritten",
      subject: `${side}-${before}-${after}`,
      subflow,
      side,
      message: `the payload of ${counted(packets, "packet")} of the ${side} on subflow ${subflow} was changed between ${before} and ${after}, first at subflow sequence number ${first.ssn ?? "unknown"}`,
    }));
