import { z } from "zod";
import { MAX_CHECKSUM_FAILURES, UNVERIFIABLE_REASONS } from "./session-vocabulary.ts";
import { count } from "./values.ts";

/** What the DSS checksums of one side's stream said (RFC 8684 §3.3.1). */
export const dssChecksums = z
  .object({
    verified: count,
    failed: count.describe("The payload is not what its sender summed up: somebody on the way changed it"),
    old_byte_order: count.describe(
      "Right, but with its octets swapped, as Linux sent it on little-endian machines until 2022",
    ),
    unverifiable: count,
    unverifiable_reasons: z
      .partialRecord(z.enum(UNVERIFIABLE_REASONS), z.int().positive())
      .optional()
      .describe("How many of `unverifiable` for which reason; there exactly when it is not 0"),
    failures: z
      .array(
        z.object({
          subflow: count.describe("`id` of the subflow"),
          offset: count
            .nullable()
            .describe("Of the mapping's first octet in the stream; null where it is unknown, or would be nowhere near"),
          length: count.describe("Payload octets of the mapping"),
        }),
      )
      .max(MAX_CHECKSUM_FAILURES)
      .describe("The first mappings whose checksum failed"),
  })
  .meta({ id: "checksums", description: "DSS checksums of one side, counted by mapping" });
