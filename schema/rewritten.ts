import { z } from "zod";
import { REWRITE_KINDS, REWRITTEN_OCTETS } from "./session-vocabulary.ts";
import { count, side, time } from "./values.ts";

const rewrittenOctets = z
  .string()
  .regex(new RegExp(`^([0-9a-f]{2}){0,${REWRITTEN_OCTETS}}$`))
  .nullable();

/** One way in which packets were rewritten between two agents. */
export const rewritten = z
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

/** One way in which packets were rewritten between two agents. */
export type RewrittenRecord = z.infer<typeof rewritten>;
