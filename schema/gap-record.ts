import { z } from "zod";
import { count, time } from "./values.ts";

/** The record's `event.dataset`. */
export const GAP_DATASET = "rejoin.gap";

/**
 * Records that were made and will reach no topic, `event.dataset` `rejoin.gap`, as it stands in JSON; in the topic of
 * agent records, under the collector's name. Its numbers are those since the gap record before it: a reader adds them up.
 */
export const gapRecord = z
  .object({
    "@timestamp": time.describe("When it was told"),
    event: z.object({
      id: z.string().min(1).max(128).describe("The same in every copy of this record; delivery is at least once"),
      kind: z.literal("metric"),
      category: z.tuple([z.literal("network")]),
      type: z.tuple([z.literal("info")]),
      dataset: z.literal(GAP_DATASET),
      action: z.literal("records-shed"),
      start: time.describe("Nothing that was shed before is in these numbers"),
      end: time.describe("Nothing that was shed later is in these numbers"),
      duration: count.describe("Nanoseconds from start to end"),
    }),
    observer: z.object({ type: z.literal("rejoin"), name: z.string(), version: z.string() }),
    rejoin: z.object({
      gap: z.object({
        records: count.describe("Records that were shed"),
        shed: z
          .array(
            z.object({
              reason: z.string().min(1).describe("Why: which bound was met, or who refused them"),
              class: z.string().min(1).describe("What they were, such as `updated` or `finding`"),
              records: count,
            }),
          )
          .describe("The same, by reason and class"),
      }),
    }),
  })
  .meta({
    title: "Gap record",
    description: "Records that a collector made, and had to shed before they reached their topic.",
  });

/** What was shed since the gap record before; see `gapRecord`. */
export type GapRecord = z.infer<typeof gapRecord>;
