// The closed lists of the finding record, apart from its schema: what makes findings needs them, and not zod.

/** The record's `event.dataset`. */
export const FINDING_DATASET = "rejoin.finding";

/**
 * What an analyst is told of a session, as `event.action`, and `event.severity`: 3 somebody did what no honest host
 * does, 2 traffic was changed or hidden on its way, 1 what was seen is not all there is, or may well be innocent.
 */
export const FINDINGS = {
  "join-hmac-failed": 3,
  "address-hmac-failed": 3,
  "fastclose-key-wrong": 3,
  "handshake-contradicted": 3,
  "octets-differ": 3,
  "option-repeated": 3,
  "mapping-ambiguous": 3,
  "checksum-failed": 2,
  "option-rewritten": 2,
  "payload-rewritten": 2,
  "options-malformed": 2,
  "late-fallback": 2,
  "join-unproven": 1,
  "join-token-unknown": 1,
  "segments-implausible": 1,
  "repeats-not-compared": 1,
  "mark-rewritten": 1,
  "mapping-not-seen": 1,
  "path-not-monitored": 1,
  "copies-lost": 1,
  "bound-met": 1,
} as const;

/** A key of FINDINGS. */
export type FindingKind = keyof typeof FINDINGS;
