import { z } from "zod";
import { dssChecksums } from "./dss-checksums.ts";
import { DIGEST_REASONS, MAX_CONFLICTS, MAX_MISSING } from "./session-vocabulary.ts";
import { count } from "./values.ts";

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

/** What one side of a session sent. */
export const stream = z
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
      .describe(
        "Of `acknowledged`, octets that are not in the stream: more than some says that a path is not watched or, where they are `unmapped_octets` of subflows, that copies were cut before their mappings",
      ),
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
      "Of `repeated_octets`, those that could not be compared: copies were cut, or the first one is no longer remembered or was not found in the steps a search has",
    ),
    window_probes: count
      .optional()
      .describe(
        "Octets that probed the other side's closed window (Linux): each alone in a mapping at the last octet that was acknowledged, and another than that; in no other number of the stream; absent when there were none",
      ),
    complete: z
      .boolean()
      .describe("The stream's end (DATA_FIN; after a fallback: FIN) is certain, and nothing before it is missing"),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional()
      .describe("Over the first `contiguous` octets; present where it was asked for"),
    sha256_unavailable: z.enum(DIGEST_REASONS).optional().describe("Why `sha256` was asked for and is absent"),
  })
  .meta({ id: "stream", description: "What one side sent, in data-sequence order" });

/** One side's rebuilt stream in a session record. */
export type StreamRecord = z.infer<typeof stream>;
