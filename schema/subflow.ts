import { z } from "zod";
import {
  MAX_AGENTS,
  MAX_PRIORITIES,
  MAX_TRANSLATIONS,
  RESET_REASONS,
  SUBFLOW_CLOSE_REASONS,
  SUBFLOW_KINDS,
  UNVERIFIABLE_REASONS,
} from "./session-vocabulary.ts";
import { subflowFigures } from "./subflow-figures.ts";
import { communityId, count, endpoint, ip, octet, port, side, time } from "./values.ts";
import { verdict } from "./verdicts.ts";

const join = z
  .object({
    hmac: z
      .object({ initiator: verdict, responder: verdict })
      .describe("The HMAC that each side of the *session* sent on this subflow, whichever of them opened it"),
    unverifiable_reason: z
      .enum(UNVERIFIABLE_REASONS)
      .optional()
      .describe("Present when a verdict beside it is `unverifiable`; where both are, the initiator's reason"),
    other_sessions: count
      .optional()
      .describe(
        "Other sessions with the same token whose keys verify it, too: it may be theirs; absent when there was none",
      ),
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

/** One subflow of a session. */
export const subflow = z
  .object({
    id: count.describe("Numbers the session's subflows from 0 in the order they were found to be its own"),
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
          code: octet.describe("The reason's number, also of those without a name"),
          transient: z.boolean().describe("Flag T: it may be worth to try again"),
        })
        .optional()
        .describe("The first MP_TCPRST of the subflow (RFC 8684 §3.6); absent when there was none"),
    }),
    address_id: z
      .object({ initiator: octet.nullable(), responder: octet.nullable() })
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
    uncompared_copies: count
      .optional()
      .describe(
        "Of `mirror_duplicates`, those with octets of which the first copy's were not kept: whether they are the same is not known; absent when there was none",
      ),
    agents: z.array(z.string()).max(MAX_AGENTS).describe("Who copied its packets, in alphabetical order"),
    translated: z
      .array(translated)
      .max(MAX_TRANSLATIONS)
      .optional()
      .describe("The same subflow with other addresses, on the other side of a NAT; absent where there is none"),
  })
  .meta({ id: "subflow" });

/** One subflow in a session record. */
export type SubflowRecord = z.infer<typeof subflow>;
