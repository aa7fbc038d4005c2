import { z } from "zod";
import { FINDING_DATASET, FINDINGS, type FindingKind } from "./finding-vocabulary.ts";
import { sessionRecord } from "./session-record.ts";
import { SIDES } from "./session-vocabulary.ts";

export * from "./finding-vocabulary.ts";

const { shape } = sessionRecord;
const end = shape.source.pick({ ip: true, port: true });

/**
 * Something about one session that an analyst acts on, `event.dataset` `rejoin.finding`, as it stands in JSON. It is made
 * once for a session, from the first record that shows it; how it went on is in the session's later records.
 */
export const findingRecord = z
  .object({
    "@timestamp": shape["@timestamp"],
    event: z
      .object({
        id: shape.event.shape.id,
        kind: z.literal("alert"),
        category: z.tuple([z.literal("network")]),
        type: z.tuple([z.literal("info")]),
        dataset: z.literal(FINDING_DATASET),
        action: z.enum(Object.keys(FINDINGS) as [FindingKind, ...FindingKind[]]).describe("What was found"),
        severity: z
          .int()
          .min(1)
          .max(3)
          .describe("3 a host that is not honest, 2 changed on the way, 1 not all was seen, or it may be innocent"),
      })
      .describe("`event.id` is the same in every copy of this finding"),
    message: z.string().describe("What was found, in a sentence for a person"),
    network: shape.network.pick({ transport: true, type: true, community_id: true }),
    source: end.describe("Who opened the subflow it is about, or else the session"),
    destination: end,
    observer: shape.observer,
    mptcp: z.object({
      session: z.object({
        id: shape.mptcp.shape.session.shape.id,
        revision: shape.mptcp.shape.session.shape.revision.describe("Of the session record that first shows it"),
      }),
      subflow: z.int().nonnegative().nullable().describe("`id` of the subflow it is about; null: of the whole session"),
      side: z.enum(SIDES).nullable().describe("Whose doing, or whose octets; null where it is nobody's or not known"),
    }),
  })
  .meta({
    title: "Finding record",
    description: "Something about one session that an analyst acts on. Inside one major version fields are only added.",
  });

/** One finding; see `findingRecord`. */
export type FindingRecord = z.infer<typeof findingRecord>;
