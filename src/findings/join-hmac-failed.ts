import { SIDES } from "../../schema/session-vocabulary.ts";
import type { Rule } from "./finding.ts";

/** A side's HMAC in a MP_JOIN is wrong (RFC 8684 §3.2): somebody knew the session's token, and not its keys. */
export const joinHmacFailed: Rule = ({ mptcp }) =>
  mptcp.subflows.flatMap(({ id, join }) =>
    SIDES.filter((side) => join?.hmac[side] === "failed").map((side) => ({
      kind: "join-hmac-failed",
      subject: side,
      subflow: id,
      side,
      message: `the ${side}'s HMAC in the join of subflow ${id} is wrong: it knew the token and not the keys`,
    })),
  );
