import type { Rule } from "./finding.ts";

/** Causes before MPTCP was agreed: an ordinary server or path that does not know it. */
const EARLY: readonly string[] = ["syn-ack-without-option", "syn-retried-without-option", "version", "unknown"];

/** What a late copy of the SYN/ACK, without its option, turns into an early cause: told at the end only. */
const OPEN: readonly string[] = ["ack-without-option"];

/** The session became plain TCP after both sides had agreed on MPTCP (RFC 8684 §3.7): something on the path interferes. */
export const lateFallback: Rule = ({ mptcp: { fallback, close } }) =>
  fallback === null || EARLY.includes(fallback.cause) || (OPEN.includes(fallback.cause) && close === null)
    ? []
    : [
        {
          kind: "late-fallback",
          subject: "",
          subflow: fallback.subflow,
          side: null,
          message: `fell back to TCP after the handshake: ${fallback.cause}`,
        },
      ];
