import type { SubflowRecord } from "../../schema/session-record.ts";
import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/**
 * Segments lay, or stated mappings, where no host takes them (RFC 9293 §3.10.7.4, RFC 5961): a reset that somebody made up
 * among them, or what comes behind a gap in the copies.
 */
export const segmentsImplausible: Rule = ({ mptcp }) =>
  mptcp.subflows
    .map(({ id, implausible_segments, close }) => ({ id, segments: implausible_segments ?? 0, reason: close.reason }))
    .filter(({ segments }) => segments > 0)
    .map(({ id, segments, reason }) => ({
      kind: "segments-implausible",
      subject: "",
      subflow: id,
      side: null,
      message: `${counted(segments, "segment")} on subflow ${id} lay where no host takes ${segments === 1 ? "it, such as a reset that is made up" : "them, such as resets that are made up"}: ${changeOf(segments, reason)}`,
    }));

/** What segments changed: nothing, unless one more of them was made up so well that it ended the subflow. */
function changeOf(segments: number, reason: SubflowRecord["close"]["reason"]): string {
  if (reason === "reset") return "the reset that ended the subflow may be of the same hand";
  if (reason === "replaced") return "the SYN that took its addresses and ports may be of the same hand";
  return segments === 1 ? "it changed nothing" : "they changed nothing";
}
