import { z } from "zod";
import { UNVERIFIABLE_REASONS, VERDICTS } from "./session-vocabulary.ts";

/** What became of a check. */
export const verdict = z.enum(VERDICTS);

const checked = (of: z.ZodType<Verdict>) =>
  z
    .object({
      verdict: of,
      unverifiable_reason: z.enum(UNVERIFIABLE_REASONS).optional().describe("There exactly when it is `unverifiable`"),
    })
    .refine(
      (one) => (one.verdict === "unverifiable") === (one.unverifiable_reason !== undefined),
      "unverifiable_reason is there exactly when the verdict is unverifiable",
    );

/** What a check found. `join.hmac` is older, and has one reason for both its verdicts. */
export const finding = checked(verdict).meta({ id: "finding", description: "What a check found" });

/** What a check found that cannot fail. */
const unfailing = checked(verdict.exclude(["failed"]))
  .meta({ id: "unfailing", description: "What a check found that cannot fail" })
  .nullable();

/** All checks of what hosts said of themselves. */
export const verdicts = z
  .object({
    version: finding
      .nullable()
      .describe("The responder agreed to no higher version than it was asked for, and nobody stated another"),
    key_echo: finding
      .nullable()
      .describe("The initiator repeated both keys as they had been exchanged, in its third ACK and with first data"),
    token: z
      .object({ initiator: unfailing, responder: unfailing })
      .describe(
        "The token in joins to this side is the one of its key. Never `failed`: the token is what shows whose a join is, and one with another stands as a session of its own",
      ),
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

/** What one check found. */
export type CheckRecord = z.infer<typeof finding>;
/** All checks of a session. */
export type VerdictsRecord = z.infer<typeof verdicts>;
/** `verified`, `failed` or `unverifiable`. */
export type Verdict = (typeof VERDICTS)[number];
/** An entry of UNVERIFIABLE_REASONS. */
export type UnverifiableReason = (typeof UNVERIFIABLE_REASONS)[number];
