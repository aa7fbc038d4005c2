import { z } from "zod";
import { count, time } from "./values.ts";

/** The record's `event.dataset`. */
export const AGENT_DATASET = "rejoin.agent";

/**
 * The loss ledger of one agent over one interval, `event.dataset` `rejoin.agent`, as it stands in JSON. Its numbers are
 * those of the interval from `event.start` to `event.end`, so a reader adds them up.
 */
export const agentRecord = z
  .object({
    "@timestamp": time.describe("The interval's end"),
    event: z.object({
      id: z.string().min(1).max(128).describe("The same in every copy of this record; delivery is at least once"),
      kind: z.literal("metric"),
      category: z.tuple([z.literal("network")]),
      type: z.tuple([z.literal("info")]),
      dataset: z.literal(AGENT_DATASET),
      action: z.literal("agent-counted"),
      start: time.describe("The interval's begin"),
      end: time.describe("The interval's end"),
      duration: count.describe("Nanoseconds from start to end"),
    }),
    observer: z.object({ type: z.literal("rejoin"), name: z.string(), version: z.string() }),
    agent: z.object({ type: z.literal("rejoin"), name: z.string().min(1).describe("As the collector knows it") }),
    source: z
      .object({ ip: z.union([z.ipv4(), z.ipv6()]) })
      .nullable()
      .describe("The agent's outer address; null for a source that copies directly, such as a file"),
    rejoin: z.object({
      agent: z.object({
        packets: count.describe("Encapsulated packets received"),
        octets: count.describe("Their octets, from the delivery header on"),
        lost: count.describe("GRE sequence numbers skipped and not seen later (RFC 2890 §2.2)"),
        late: count.describe("Packets whose number came after a higher one"),
        duplicate: count.describe("Packets whose number was seen already"),
        restarted: count.describe("Times the numbering began anew"),
        key: z.int().min(0).max(0xffffffff).nullable().describe("RFC 2890 key of its GRE headers; null without one"),
      }),
    }),
  })
  .meta({
    title: "Agent record",
    description: "What arrived from one agent in one interval, and what is known to be lost.",
  });

/** One agent's counts over one interval; see `agentRecord`. */
export type AgentRecord = z.infer<typeof agentRecord>;
