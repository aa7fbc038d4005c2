import { SIDES } from "../../schema/session-vocabulary.ts";
import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/** DSS checksums are wrong (RFC 8684 §3.3.1): octets or their place were changed on the way. */
export const checksumFailed: Rule = ({ mptcp }) =>
  SIDES.flatMap((side) => {
    const failed = mptcp.stream[side].checksum?.failed ?? 0;
    if (failed === 0) return [];
    const [first] = mptcp.stream[side].checksum?.failures ?? [];
    return {
      kind: "checksum-failed",
      subject: side,
      subflow: first?.subflow ?? null,
      side,
      message: `the DSS checksum of ${counted(failed, "mapping")} of the ${side} is wrong`,
    };
  });
