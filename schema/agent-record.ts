import { z } from "zod";
import { ENCAPSULATIONS } from "./encapsulation.ts";
import { count, time } from "./values.ts";

/** The record's `event.dataset`. */
export const AGENT_DATASET = "rejoin.agent";

/** What an agent says of itself; see docs/records.md. */
const reported = z
  .object({
    at: time.describe("When the report came"),
    started: time.describe(
      "When the agent began to number what it sends here, by its own clock: the same in all reports of one run",
    ),
    ended: z.boolean().describe("It was the run's last report"),
    numbered: count.describe(
      "Sequence numbers given so far, to copies and to reports. Less the numbers that came, this is what was lost",
    ),
    seen: count.describe("Packets that the agent read since its own start"),
    selected: count.describe("Packets of MPTCP flows among them"),
    sent: count.describe("Copies and reports that its kernel took"),
    failed: count.describe("Those that its kernel refused"),
    dropped: count.describe("Copies that its own queue had no room for; they have a number"),
    cut: count.describe("Copies that were cut, to a snap length or the path"),
    kernel_lost: count.describe("Packets that its kernel dropped before the agent saw them; they have no number"),
  })
  .describe("Counts since the start of the agent's run, by its own report");

/**
 * The loss ledger of one agent's stream over one interval, `event.dataset` `rejoin.agent`, as it stands in JSON. Its numbers
 * are those of the interval from `event.start` to `event.end`, so a reader adds them up; those of `reported` are not.
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
        unheard: count
          .optional()
          .describe(
            "Packets that the agent says it numbered before the first that came, as when no collector listened; this collector or another may have counted them before",
          ),
        refused: count.optional().describe("Of the packets, those over what is taken of one agent in a second"),
        reports: count.optional().describe("Of the packets, the agent's reports of its own counts"),
        encapsulation: z.enum(ENCAPSULATIONS).optional().describe("How the stream travels"),
        reported: reported.nullable().optional().describe("The newest of its reports; null where none came"),
        key: z
          .int()
          .min(0)
          .max(0xffffffff)
          .nullable()
          .describe("Key of its GRE headers (RFC 2890), network identifier or ERSPAN session id; null without one"),
      }),
    }),
  })
  .meta({
    title: "Agent record",
    description: "What arrived from one agent in one interval, and what is known to be lost.",
  });

/** One agent's counts over one interval; see `agentRecord`. */
export type AgentRecord = z.infer<typeof agentRecord>;
