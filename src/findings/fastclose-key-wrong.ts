import { SIDES } from "../../schema/session-vocabulary.ts";
import type { Rule } from "./finding.ts";

/** A MP_FASTCLOSE carried another key than the receiver's (RFC 8684 §3.5): somebody tried to end the session. */
export const fastcloseKeyWrong: Rule = ({ mptcp }) =>
  SIDES.filter((side) => mptcp.verdicts?.fastclose[side]?.verdict === "failed").map((side) => ({
    kind: "fastclose-key-wrong",
    subject: side,
    subflow: null,
    side,
    message: `a MP_FASTCLOSE in the ${side}'s name carried a wrong key, and ended nothing`,
  }));
