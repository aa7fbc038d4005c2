import { z } from "zod";

import { dssChecksums } from "./dss-checksums.ts";
import {
  ACTION_TYPES,
  ACTIONS,
  CAPABLE_FLAGS,
  CLOSE_REASONS,
  DIGEST_REASONS,
  EVIDENCE,
  FALLBACK_CAUSES,
  MAX_ADDRESSES,
  MAX_AGENTS,
  MAX_CONFLICTS,
  MAX_FAILS,
  MAX_MISSING,
  MAX_PRIORITIES,
  MAX_REWRITTEN,
  MAX_SUBFLOWS,
  MAX_TRANSLATIONS,
  RESET_REASONS,
  REWRITE_KINDS,
  REWRITTEN_OCTETS,
  SESSION_DATASET,
  SHED_REASONS,
  SIDES,
  SUBFLOW_CLOSE_REASONS,
  SUBFLOW_KINDS,
  UNVERIFIABLE_REASONS,
  VERDICTS,
} from "./session-vocabulary.ts";
import { subflowFigures } from "./subflow-figures.ts";

export * from "./session-vocabulary.ts";

const count = z.int().nonnegative();
const time = z.iso.datetime().describe("ISO 8601 in UTC, with up to six digits of a second");
const side = z.enum(SIDES);
const ip = z
  .union([z.ipv4(), z.ipv6().refine((text) => !text.includes("."), "IPv4 is not mapped into IPv6")])
  .describe("IPv4 dotted, never mapped into IPv6; IPv6 as RFC 5952 writes it");
const port = z.int().min(0).max(65_535);
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
const communityId = z
  .string()
  .regex(/^1:[A-Za-z0-9+/]{27}=$/)
  .describe("Community ID v1, seed 0: finds the same flow in Zeek's and Suricata's logs");
const octets = z.int().min(0).max(255);

const endpoint = z
  .object({
    ip,
    port,
    bytes: count.describe("IP octets this end sent, retransmissions included, mirror duplicates not"),
    packets: count.describe("IP packets this end sent, mirror duplicates not counted"),
  })
  .meta({ id: "endpoint" });

const copy = z
  .object({
    subflow: count.nullable().describe("`id` of the subflow that brought it; null where it is no longer the session's"),
    agent: z.string().describe("Who copied it"),
    octets: z
      .string()
      .regex(/^([0-9a-f]{2}){1,32}$/)
      .describe("Its first octets from `offset`, at most 32 of them and at most `length`, in hexadecimal"),
  })
  .meta({ id: "copy" });

const stream = z
  .object({
    octets: count.describe(
      "Data-level octets of the segments seen, each counted once; `cut_octets` of them only by their place",
    ),
    contiguous: count.describe("Octets from the stream's first up to its first hole"),
    missing: z
      .array(z.object({ offset: count.describe("From 0, the stream's first octet"), length: z.int().positive() }))
      .max(MAX_MISSING)
      .describe("The first holes in the order of their offsets"),
    missing_octets: count.describe("Octets of all holes, also of those that `missing` does not list"),
    cut_octets: count
      .optional()
      .describe("Of `missing_octets`, those of segments whose copies were cut before them; absent when there are none"),
    acknowledged: count
      .nullable()
      .describe(
        "Octets that the other side acknowledged (data ACK; after a fallback TCP ACK); null where none was seen",
      ),
    unseen_octets: count
      .nullable()
      .describe("Of `acknowledged`, octets that no agent saw: more than some says that a path is not watched"),
    unseen_share: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .describe("`unseen_octets` as a share of `acknowledged`, rounded up"),
    conflicting: count
      .nullable()
      .describe("Octets that came again and differed; null where octets came again and none could be compared"),
    checksum: dssChecksums.nullable().optional().describe("null where the handshake asked for no DSS checksums"),
    conflicts: z
      .array(
        z.object({
          offset: count.describe("Of the first octet that differs"),
          length: z.int().positive().describe("Octets from there to the last one that differs"),
          first: copy.describe("What came first: it is in the stream"),
          second: copy.describe("What came later"),
        }),
      )
      .max(MAX_CONFLICTS)
      .describe("Octets that came again and differed, in the order they came: piece by piece of what came first"),
    conflicts_left_out: count.describe("Conflicts that `conflicts` has no room for"),
    repeated_octets: count.describe("Octets that came again, each time they did; mirror duplicates not counted"),
    reinjected_octets: count.describe("Of `repeated_octets`, those known to have come on another subflow first"),
    not_compared_octets: count.describe(
      "Of `repeated_octets`, those that could not be compared: copies were cut, or the first one is no longer remembered",
    ),
    complete: z.boolean().describe("DATA_FIN (after a fallback: FIN) seen and nothing missing"),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional()
      .describe("Over the first `contiguous` octets; present where it was asked for"),
    sha256_unavailable: z.enum(DIGEST_REASONS).optional().describe("Why `sha256` was asked for and is absent"),
  })
  .meta({ id: "stream", description: "What one side sent, in data-sequence order" });

const verdict = z.enum(VERDICTS);

/** Shapes are shared, so that a verdict looks the same wherever it stands. */
const finding = z
  .object({
    verdict,
    unverifiable_reason: z.enum(UNVERIFIABLE_REASONS).optional().describe("There exactly when it is `unverifiable`"),
  })
  .refine(
    (one) => (one.verdict === "unverifiable") === (one.unverifiable_reason !== undefined),
    "unverifiable_reason is there exactly when the verdict is unverifiable",
  )
  .meta({ id: "finding", description: "What a check found" });

const verdicts = z
  .object({
    version: finding
      .nullable()
      .describe("The responder agreed to no higher version than it was asked for, and nobody stated another"),
    key_echo: finding
      .nullable()
      .describe("The initiator repeated both keys as they had been exchanged, in its third ACK and with first data"),
    token: z
      .object({ initiator: finding.nullable(), responder: finding.nullable() })
      .describe("The token in joins to this side is the one of its key"),
    idsn: z
      .object({ initiator: finding.nullable(), responder: finding.nullable() })
      .describe("The first data sequence number of this side's DSS follows from its key"),
    fastclose: z
      .object({ initiator: finding.nullable(), responder: finding.nullable() })
      .describe("The MP_FASTCLOSE that this side sent carried the other side's key"),
  })
  .meta({
    id: "verdicts",
    description:
      "Checks of what hosts said of themselves. null: nothing of the kind was said. `failed` stays, whatever comes later: somebody has said it",
  });

const capableFlags = z
  .array(z.enum(CAPABLE_FLAGS))
  .nullable()
  .describe("Flags that are set, A first; null when the segment was not seen");
const versionNumber = z.int().min(0).max(15).nullable();

const join = z
  .object({
    hmac: z
      .object({ initiator: verdict, responder: verdict })
      .describe("The HMAC that each side of the *session* sent on this subflow, whichever of them opened it"),
    unverifiable_reason: z
      .enum(UNVERIFIABLE_REASONS)
      .optional()
      .describe("Present when a verdict beside it is `unverifiable`; where both are, the initiator's reason"),
  })
  .meta({ id: "join", description: "The MP_JOIN exchange (RFC 8684 §3.2)" });

const translated = z
  .object({
    source: z.object({ ip, port }),
    destination: z.object({ ip, port }),
    community_id: communityId,
    agents: z.array(z.string()).max(MAX_AGENTS).describe("Who saw it with these addresses, in alphabetical order"),
  })
  .meta({ id: "translated", description: "A subflow as it is seen on the other side of an address translator (NAT)" });

const subflow = z
  .object({
    id: count.describe("Numbers the session's subflows from 0 in the order of their first packets"),
    kind: z.enum(SUBFLOW_KINDS).describe("`unknown`: its SYN was not seen"),
    opener: side.describe("Which side of the session sent this subflow's SYN; a responder can open a join"),
    source: endpoint.describe("Who sent this subflow's SYN"),
    destination: endpoint.describe("Who answered it"),
    community_id: communityId,
    start: time.describe("Its first packet"),
    end: time.describe("Its last packet so far"),
    close: z.object({
      reason: z.enum(SUBFLOW_CLOSE_REASONS),
      mp_tcprst: z
        .object({
          side: side.describe("Who sent it"),
          reason: z.enum(RESET_REASONS),
          code: octets.describe("The reason's number, also of those without a name"),
          transient: z.boolean().describe("Flag T: it may be worth to try again"),
        })
        .optional()
        .describe("The first MP_TCPRST of the subflow (RFC 8684 §3.6); absent when there was none"),
    }),
    address_id: z
      .object({ initiator: octets.nullable(), responder: octets.nullable() })
      .describe("Address identifiers of each side; 0 on the initial subflow; null when not seen"),
    backup: z.boolean().describe("Either side asked, in MP_JOIN, to use it only when no other is left"),
    priority: z
      .array(z.object({ side: side.describe("Who asked"), backup: z.boolean(), at: time }))
      .max(MAX_PRIORITIES)
      .optional()
      .describe("What MP_PRIO changed (RFC 8684 §3.3.8), in the order it came; absent when nothing did"),
    join: join.nullable().describe("null unless `kind` is `joined`"),
    ...subflowFigures,
    mirror_duplicates: count.describe("Further copies of packets already counted; they are in no other number"),
    agents: z.array(z.string()).max(MAX_AGENTS).describe("Who copied its packets, in alphabetical order"),
    translated: z
      .array(translated)
      .max(MAX_TRANSLATIONS)
      .optional()
      .describe("The same subflow with other addresses, on the other side of a NAT; absent where there is none"),
  })
  .meta({ id: "subflow" });

const address = z
  .object({
    side: side.describe("Whose address it is"),
    address_id: octets,
    ip: ip.nullable().describe("null where only the removal was seen"),
    port: port.nullable().describe("null where the option names none"),
    at: time.nullable().describe("First ADD_ADDR that was not an echo; null where only the removal was seen"),
    removed_at: time.nullable().describe("First REMOVE_ADDR after it; null when there was none"),
    echoed_at: time.nullable().optional().describe("The other side's first echo of it; null when there was none"),
    hmac: finding
      .nullable()
      .optional()
      .describe("Of the ADD_ADDR; null where it has none: in version 0, and where only the removal was seen"),
    hmac_form: z
      .enum(["rightmost", "leftmost"])
      .optional()
      .describe("The 64 bits of a verified HMAC that were sent; receivers want the rightmost, old kernels sent others"),
  })
  .meta({ id: "address", description: "An address a side announced or took back (RFC 8684 §3.4)" });

const rewrittenOctets = z
  .string()
  .regex(new RegExp(`^([0-9a-f]{2}){0,${REWRITTEN_OCTETS}}$`))
  .nullable();

const rewritten = z
  .object({
    kind: z.enum(REWRITE_KINDS),
    subflow: count.describe("`id` of the subflow"),
    side: side.describe("Who sent the packets"),
    between: z
      .tuple([z.string(), z.string()])
      .describe("The agent that copied the packets before they were rewritten, and the one that copied them behind"),
    packets: z.int().positive().describe("Packets of this side that were rewritten so between these two"),
    first: z
      .object({
        at: time.describe("When the second copy of it came"),
        ssn: count
          .nullable()
          .describe("Its relative subflow sequence number; of `payload`, that of the first octet that differs"),
        before: rewrittenOctets.describe(
          "In hex: of `payload`, octets from the first that differs on; of `dscp` and `ecn`, the octet of both; null for options, which can hold keys",
        ),
        after: rewrittenOctets.describe("The same behind"),
      })
      .describe("The first of these packets"),
  })
  .meta({
    id: "rewritten",
    description: "Packets that two agents copied, and that differ in what no router changes of its own accord",
  });

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
      .object({ cause: z.enum(FALLBACK_CAUSES), at: time, subflow: count.describe("`id` of the subflow") })
      .nullable()
      .describe("null while the session is MPTCP"),
    mp_fail: z
      .array(
        z.object({
          side: side.describe("Who sent it: the receiver of the data"),
          subflow: count.describe("`id` of the subflow"),
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
/** One side's rebuilt stream in a session record. */
export type StreamRecord = z.infer<typeof stream>;
/** One subflow in a session record. */
export type SubflowRecord = z.infer<typeof subflow>;
/** One announced address in a session record. */
export type AddressRecord = z.infer<typeof address>;
/** What one check found. */
export type CheckRecord = z.infer<typeof finding>;
/** All checks of a session. */
export type VerdictsRecord = z.infer<typeof verdicts>;
/** One way in which packets were rewritten between two agents. */
export type RewrittenRecord = z.infer<typeof rewritten>;
/** `verified`, `failed` or `unverifiable`. */
export type Verdict = (typeof VERDICTS)[number];
/** An entry of UNVERIFIABLE_REASONS. */
export type UnverifiableReason = (typeof UNVERIFIABLE_REASONS)[number];
