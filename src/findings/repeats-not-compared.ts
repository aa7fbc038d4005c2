import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/**
 * Octets of a subflow came again under no mapping that is known any more (RFC 8684 §3.3.1): a host that states a mapping
 * once sends so what was lost, and so does one whose receiver did not take the first copy, to have it read something else.
 */
export const repeatsNotCompared: Rule = ({ mptcp }) =>
  mptcp.subflows.flatMap(({ id, unplaced_repeats = 0 }) => {
    if (unplaced_repeats === 0) return [];
    return {
      kind: "repeats-not-compared",
      subject: "",
      subflow: id,
      side: null,
      message: `${counted(unplaced_repeats, "octet")} came again on subflow ${id} without a mapping, and ${unplaced_repeats === 1 ? "was" : "were"} not compared with what came first, which the stream shows`,
    };
  });
