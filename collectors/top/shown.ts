import { z } from "zod";
import { MAX_PAGE_ENTRIES } from "../central/debug.ts";

const counts = z.record(z.string(), z.number());
const end = z.object({ ip: z.string(), port: z.number() });

/** What is shown of `/debug/totals`. Other parts may be there. */
export const shownTotals = z.object({
  name: z.string(),
  version: z.string(),
  phase: z.string(),
  uptimeMs: z.number(),
  totals: z.object({
    packetsIn: z.number(),
    packets: counts,
    sessions: z.object({ opened: z.number(), ended: z.number(), live: z.number(), halfOpen: z.number() }),
    flows: z.object({ live: z.number() }),
  }),
  tables: z.record(z.string(), z.object({ used: z.number(), bound: z.number() })),
  silentAgents: z.array(z.string()),
  sources: z.array(z.object({ octets: z.number(), kernelDrops: z.number().nullable() })),
  records: z.object({
    made: z.number(),
    acknowledged: z.number(),
    stored: z.number(),
    storedOctets: z.number(),
    oldestMs: z.number(),
    shed: counts,
  }),
});

/** What is shown of a page of `/debug/agents`. */
export const shownAgents = z.object({
  agents: z
    .array(
      z.object({
        name: z.string(),
        address: z.string().nullable(),
        key: z.number().nullable(),
        encapsulation: z.string().nullable(),
        packets: z.number(),
        lost: z.number(),
        late: z.number(),
        reported: z.object({ kernelLost: z.number() }).nullable(),
      }),
    )
    .max(MAX_PAGE_ENTRIES),
});

/** What is shown of a page of `/debug/sessions`, and where the next one begins. */
export const shownSessions = z.object({
  live: z.number(),
  sessions: z
    .array(
      z.object({
        id: z.string(),
        evidence: z.string(),
        fallback: z.string().nullable(),
        initiator: end,
        responder: end,
        subflows: z.object({ all: z.number(), open: z.number() }),
        octets: z.object({ initiator: z.number(), responder: z.number(), missing: z.number() }),
        agents: z.array(z.string()),
      }),
    )
    .max(MAX_PAGE_ENTRIES),
  next: z.number().nullable(),
});
