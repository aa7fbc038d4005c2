import { z } from "zod";

import { address } from "./address.ts";
import { rewritten } from "./rewritten.ts";
import {
  ACTION_TYPES,
  ACTIONS,
  CAPABLE_FLAGS,
  CLOSE_REASONS,
  EVIDENCE,
  FALLBACK_CAUSES,
  MAX_ADDRESSES,
  MAX_FAILS,
  MAX_REWRITTEN,
  MAX_SUBFLOWS,
  SESSION_DATASET,
  SHED_REASONS,
  SIDES,
} from "./session-vocabulary.ts";
import { stream } from "./stream-side.ts";
import { subflow } from "./subflow.ts";
import { communityId, count, endpoint, side, time } from "./values.ts";
import { verdicts } from "./verdicts.ts";

export type { AddressRecord } from "./address.ts";
export type { RewrittenRecord } from "./rewritten.ts";
export * from "./session-vocabulary.ts";
export type { StreamRecord } from "./stream-side.ts";
export type { SubflowRecord } from "./subflow.ts";
export type { CheckRecord, UnverifiableReason, Verdict, VerdictsRecord } from "./verdicts.ts";

const token = z
  .string()
  .regex(/^0x[0-9a-f]{8}$/)
  .nullable()
  .describe("0x and eight digits; null when the key was not seen");
const idsn = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,19})$/)
  .nullable()
  .describe("Unsigned 64-bit integer: a decimal string in JSON, an integer in MessagePack; null when unknown");
const capableFlags = z
  .array(z.enum(CAPABLE_FLAGS))
  .nullable()
  .describe("Flags that are set, A first; null when the segment was not seen");
const versionNumber = z.int().min(0).max(15).nullable();

/** Adds what a shape alone cannot say; JSON Schema does not carry these rules. */
function consistent(record: z.infer<typeof shape>, context: z.RefinementCtx<z.infer<typeof shape>>): void {
  const fault = (path: (string | number)[], message: string) =>
    context.addIssue({ code: "custom", path, message, input: record });
  const { event, mptcp } = record;
  if (event.type[0] !== ACTION_TYPES[event.action]) fault(["event", "type"], "does not belong to event.action");
  const ended = event.action === "session-ended";
  if (ended !== (mptcp.close !== null)) fault(["mptcp", "close"], "is there exactly when the session has ended");
  if (ended !== (event.reason !== undefined)) fault(["event", "reason"], "is there exactly when the session has ended");
  for (const name of SIDES) {
    const { complete, missing_octets } = mptcp.stream[name];
    if (complete && missing_octets > 0) fault(["mptcp", "stream", name, "complete"], "with octets missing");
  }
  for (const [i, { join }] of mptcp.subflows.entries()) {
    const open = join?.hmac.initiator === "unverifiable" || join?.hmac.responder === "unverifiable";
    if (open !== (join?.unverifiable_reason !== undefined)) {
      fault(["mptcp", "subflows", i, "join", "unverifiable_reason"], "is there exactly when a verdict is unverifiable");
    }
  }
}

const shape = z.object({
  "@timestamp": time.describe("When the record was made, in packet time"),
  event: z.object({
    id: z.string().min(1).max(128).describe("The same in every copy of this record; delivery is at least once"),
    kind: z.literal("event"),
    category: z.tuple([z.literal("network")]),
    type: z.tuple([z.enum(["start", "info", "end"])]).describe("start, info, end for opened, updated, ended"),
    dataset: z.literal(SESSION_DATASET),
    action: z.enum(ACTIONS),
    start: time.describe("The session's first packet"),
    end: time.describe("The session's last packet so far"),
    duration: count.describe("Nanoseconds from start to end"),
    reason: z.string().optional().describe("Why the session ended, in words for a person; only when it has"),
  }),
  network: z.object({
    transport: z.literal("tcp"),
    type: z.enum(["ipv4", "ipv6"]).describe("Of the initial subflow; others may differ"),
    community_id: communityId.describe("Of the initial subflow; each subflow has its own"),
    bytes: count.describe("IP octets both ways over all subflows"),
    packets: count.describe("IP packets both ways over all subflows"),
  }),
  source: endpoint.describe(
    "The initiator: addresses of the initial subflow as its SYN says (without a handshake: of the first subflow seen), counts over all subflows",
  ),
  destination: endpoint.describe("The responder, likewise"),
  observer: z.object({ type: z.literal("rejoin"), name: z.string(), version: z.string() }),
  mptcp: z.object({
    session: z.object({
      id: z
        .string()
        .regex(/^[A-Za-z0-9_-]{8,64}$/)
        .describe("The same for the same traffic, whichever agents saw it; fit for a file name"),
      revision: z.int().positive().describe("Counts this session's records up from 1"),
      evidence: z.enum(EVIDENCE),
    }),
    version: z
      .union([z.literal(0), z.literal(1)])
      .nullable()
      .describe("0 is RFC 6824, 1 is RFC 8684, null unknown"),
    negotiation: z
      .object({
        asked: versionNumber.describe("The version in the SYN; null when it was not seen"),
        agreed: versionNumber.describe(
          "The version in the SYN/ACK, or where that was not seen in what followed; null when neither said one",
        ),
        flags: z.object({ initiator: capableFlags, responder: capableFlags }).describe("Of the SYN and the SYN/ACK"),
      })
      .optional()
      .describe("What the MP_CAPABLE options of SYN and SYN/ACK said; absent where no handshake was seen"),
    verdicts: verdicts.optional().describe("Only records that were made before there were verdicts lack them"),
    token: z.object({ initiator: token, responder: token }).describe("Each side's own, made from its own key"),
    idsn: z.object({ initiator: idsn, responder: idsn }).describe("Initial data sequence number of what each sends"),
    checksum_required: z.boolean().nullable().describe("Flag A of the handshake; null when it was not seen"),
    fallback: z
      .object({
        cause: z.enum(FALLBACK_CAUSES),
        at: time,
        subflow: count.nullable().describe("`id` of the subflow; null where it is no longer the session's"),
      })
      .nullable()
      .describe("null while the session is MPTCP"),
    mp_fail: z
      .array(
        z.object({
          side: side.describe("Who sent it: the receiver of the data"),
          subflow: count.nullable().describe("`id` of the subflow; null where it is no longer the session's"),
          offset: count.nullable().describe("Where the data lies in the other side's stream; null where unknown"),
          at: time,
        }),
      )
      .max(MAX_FAILS)
      .optional()
      .describe("MP_FAILs (RFC 8684 §3.7): data whose checksum was wrong; absent when there was none"),
    options: z
      .object({
        malformed: count.describe(
          "Options whose length their subtype cannot have, or that run past the header; hosts ignore them",
        ),
        unknown: z
          .array(z.object({ subtype: z.int().min(9).max(15), segments: z.int().positive() }))
          .describe("Subtypes that no RFC gives a meaning, and 15, MP_EXPERIMENTAL"),
        repeated: count
          .optional()
          .describe(
            "Options that stood twice in a segment, of subtypes that it has once; the last is taken, as Linux does, and other hosts may take another; absent when there was none",
          ),
        unproven: count
          .optional()
          .describe(
            "Segments with MP_PRIO, MP_FAIL, ADD_ADDR or REMOVE_ADDR on a join that nothing had shown to be the session's: not taken; absent when there was none",
          ),
      })
      .optional()
      .describe("Options that say nothing to an observer; absent when there were none"),
    close: z
      .object({ reason: z.enum(CLOSE_REASONS), by: z.enum([...SIDES, "both"]).nullable() })
      .nullable()
      .describe("null until the session has ended; `by` null where no side ended it"),
    stream: z.object({ initiator: stream, responder: stream }),
    addresses: z.array(address).max(MAX_ADDRESSES).describe("In the order of their first option"),
    subflows: z.array(subflow).max(MAX_SUBFLOWS),
    rewritten: z
      .array(rewritten)
      .max(MAX_REWRITTEN)
      .optional()
      .describe("What was rewritten on the way, in the order in which it was first seen; absent or empty: nothing"),
    copies_lost: z
      .array(z.object({ agent: z.string(), copies: z.int().positive() }))
      .optional()
      .describe(
        "Copies that the session's agents lost while it was open, by gaps in their sequence numbers: its own may be among them, and what it lacks may be in these. Absent when none were",
      ),
  }),
  rejoin: z
    .object({
      shed: z
        .partialRecord(z.enum(SHED_REASONS), z.int().positive())
        .describe("How many of each kind the record lost because a bound was met"),
    })
    .optional()
    .describe("Absent when nothing was lost"),
});

/**
 * The session record, `event.dataset` `rejoin.session`, as it stands in JSON. Readers must accept fields that are not
 * here: inside one major version of a topic, changes only add. No key, nonce or HMAC is in any field.
 */
export const sessionRecord = shape.superRefine(consistent).meta({
  title: "Session record",
  description: "One MPTCP session as rejoin saw it. Inside one major version fields are only ever added.",
});

/** One session at one moment; see `sessionRecord`. */
export type SessionRecord = z.infer<typeof shape>;
