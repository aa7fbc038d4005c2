// The closed lists of the session record, apart from its schema: the packet path needs them, and not zod.

/** The record's `event.dataset`. */
export const SESSION_DATASET = "rejoin.session";

/** Who opened the session (`initiator` sent the MP_CAPABLE SYN), and who answered. */
export const SIDES = ["initiator", "responder"] as const;
/** `event.action`, in the order of a session's life; ACTION_TYPES has the ECS type of each. */
export const ACTIONS = ["session-opened", "session-updated", "session-ended"] as const;
/** The one entry of `event.type` that belongs to each action. */
export const ACTION_TYPES = { "session-opened": "start", "session-updated": "info", "session-ended": "end" } as const;
/** What was seen of the handshake: the MP_CAPABLE exchange with at least one key, only joins, or neither. */
export const EVIDENCE = ["handshake", "orphan", "midstream"] as const;
/** Three-valued: `unverifiable` always has an `unverifiable_reason` beside it. */
export const VERDICTS = ["verified", "failed", "unverifiable"] as const;
/** Why a verdict could not be had. */
export const UNVERIFIABLE_REASONS = [
  "no-handshake", // no MP_CAPABLE exchange of the session was seen, so neither key is known
  "key-unknown", // one of the two keys was not seen
  "one-direction", // the other direction of the subflow was not seen, and with it a nonce
  "segment-not-seen", // the segment that carries the HMAC was not seen
  "truncated", // the copy was cut inside the option, or inside the payload that a checksum is over
  "octets-missing", // payload that a checksum is over was not seen
] as const;
/**
 * Flags A to H of a MP_CAPABLE of version 1 (RFC 8684 §3.1), by their place. In version 0 (RFC 6824 §3.1) H is `hmac-sha1`
 * and C is reserved.
 */
export const CAPABLE_FLAGS = [
  "checksum-required",
  "extensibility", // draft-wei-mptcp-proxy-mechanism used this bit for its `P`: a proxy is on the path
  "no-joins-to-this-address",
  "reserved-d",
  "reserved-e",
  "reserved-f",
  "reserved-g",
  "hmac-sha256",
  "reserved-c",
  "hmac-sha1",
] as const;
/** Why the session became plain TCP (RFC 8684 §3.7). */
export const FALLBACK_CAUSES = [
  "syn-ack-without-option",
  "ack-without-option", // neither the third ACK nor first data carried it
  "data-without-option", // after a handshake in order, data came without option and without mapping
  "syn-retried-without-option", // SYNs with the option got no answer, one without it did
  "infinite-mapping", // without a MP_FAIL that was seen
  "mp-fail", // MP_FAIL, though the session has no checksums
  "checksum", // MP_FAIL: a checksum was wrong
  "version", // the SYN/ACK states another version than was asked for, and the initiator went on without
  "unknown", // whether the SYN/ACK carried the option was not seen
] as const;
/** Why the session ended. The last four say why the watching ended rather than the session. */
export const CLOSE_REASONS = [
  "fin",
  "fastclose",
  "reset",
  "replaced",
  "idle",
  "evicted",
  "end-of-input",
  "shutdown",
] as const;
/** Why a subflow ended; `open` when it had not when the record was made, `idle` is given by none yet. */
export const SUBFLOW_CLOSE_REASONS = ["fin", "reset", "fastclose", "replaced", "idle", "open"] as const;
/** Why a side reset a subflow, by the number in its MP_TCPRST (RFC 8684 §3.6); the last stands for any other. */
export const RESET_REASONS = [
  "unspecified",
  "mptcp-specific-error",
  "lack-of-resources",
  "administratively-prohibited",
  "too-much-outstanding-data",
  "unacceptable-performance",
  "middlebox-interference",
  "unknown",
] as const;
/** `unknown`: the subflow's SYN was not seen. */
export const SUBFLOW_KINDS = ["initial", "joined", "unknown"] as const;
/** What can differ between two copies of one packet that no router changes of its own accord. */
export const REWRITE_KINDS = [
  "option-stripped", // an MPTCP option was there before, and none behind
  "option-added",
  "option-changed",
  "dscp", // RFC 2474
  "ecn", // other than a router's mark of congestion (RFC 3168 §5)
  "payload",
] as const;
/** Why a digest that was asked for is not in the record. */
export const DIGEST_REASONS = ["octets-shed", "first-octet-unknown"] as const;
/** What a record can have lost to a bound. */
export const SHED_REASONS = [
  "subflows",
  "addresses",
  "agents",
  "mappings",
  "ranges",
  "octets",
  "rewritten",
  "options",
  "tokens",
] as const;

/** Entries of `missing` per stream; `missing_octets` counts them all. */
export const MAX_MISSING = 16;
/** Entries of `failures` of a stream's checksums; all are counted in `failed`. */
export const MAX_CHECKSUM_FAILURES = 16;
/** Entries of `conflicts` per stream; `conflicts_left_out` counts the others. */
export const MAX_CONFLICTS = 16;
/** Entries of `mptcp.addresses`; further ones are counted in `rejoin.shed.addresses`. */
export const MAX_ADDRESSES = 32;
/** Entries of `mptcp.subflows`; further ones are counted in `rejoin.shed.subflows`. */
export const MAX_SUBFLOWS = 256;
/** Entries of `translated` of a subflow; seen with further addresses it is a subflow of its own. */
export const MAX_TRANSLATIONS = 4;
/** Names in `agents` of a subflow; further ones are counted in `rejoin.shed.agents`. */
export const MAX_AGENTS = 16;
/** Entries of `mptcp.rewritten`; packets rewritten in further ways are counted in `rejoin.shed.rewritten`. */
export const MAX_REWRITTEN = 16;
/** Octets of each copy that an entry of `mptcp.rewritten` shows. */
export const REWRITTEN_OCTETS = 32;
/** Entries of `mptcp.mp_fail`, and of `priority` over all subflows; further ones are counted in `rejoin.shed.options`. */
export const MAX_FAILS = 8;
export const MAX_PRIORITIES = 32;
