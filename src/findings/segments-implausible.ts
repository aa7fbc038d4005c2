import { counted, type Rule } from "./finding.ts";

/**
 * Segments lay, or stated mappings, where no host takes them (RFC 9293 §3.10.7.4, RFC 5961): a reset that somebody made up
 * among them, or what comes behind a gap in the copies.
 */
export const segmentsImplausible: Rule = ({ mptcp }) =>
  mptcp.subflows
    .map(({ id, implausible_segments }) => ({ id, segments: implausible_segments ?? 0 }))
    .filter(({ segments }) => segments > 0)
    .map(({ id, segments }) => ({
      kind: "segments-implausible",
      subject: "",
      subflow: id,
      side: null,
      message: `${counted(segments, "segment")} on subflow ${id} lay where no host takes ${segments === 1 ? "it, such as a reset that is made up: it" : "them, such as resets that are made up: they"} changed nothing`,
    }));
