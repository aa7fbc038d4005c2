import { z } from "zod";
import { count } from "./values.ts";

const data = z
  .object({
    octets: count.describe("TCP payload octets seen, each counted once"),
    share: z
      .number()
      .min(0)
      .max(1)
      .nullable()
      .describe(
        "Of the octets that this side sent over all subflows of the session; null while it has sent none, and of a join that is not shown to be the session's",
      ),
    retransmissions: count.describe("Segments that repeated octets of this subflow"),
    out_of_order: count.describe(
      "Segments with new octets that came after later ones: reordered, or sent again because they were lost before the agent",
    ),
    reinjected_octets: count.describe(
      "Octets that had come on another subflow already, as far as what came first is remembered",
    ),
    unmapped_octets: count.describe("Octets that no DSS mapping covered, though the session was MPTCP: in no stream"),
    refused_octets: count
      .optional()
      .describe(
        "All of `octets` where the subflow's join has a wrong HMAC, or nothing shows that it is the session's: in no stream; else absent",
      ),
  })
  .meta({ id: "subflow-data" });

const roundTrip = z
  .object({
    min_micros: z.int().positive(),
    smoothed_micros: z.int().positive().describe("As RFC 6298 smooths it"),
  })
  .nullable()
  .meta({ id: "round-trip" });

/** Fields of a subflow that say what it carried, by side of the session. */
export const subflowFigures = {
  data: z.object({ initiator: data, responder: data }).optional().describe("What each side sent on this subflow"),
  keep_alives: count
    .optional()
    .describe("Keep-alives and zero-window probes: at most an octet, just below those sent; in no other number"),
  contradicting_mappings: count
    .optional()
    .describe("DSS mappings that gave an octet another place than the mapping announced first, which holds"),
  misplaced_mappings: count
    .optional()
    .describe(
      "Present when DSS mappings stood on segments with octets that they do not map: they are believed here, and Linux falls back to TCP there",
    ),
  unagreed_checksums: count
    .optional()
    .describe(
      "Present when DSS mappings had a checksum though the handshake asked for none: ignored here, and Linux falls back to TCP there",
    ),
  unplaced_repeats: count
    .optional()
    .describe(
      "Present when octets of the subflow came again under no mapping, when that of the first copy was filled and forgotten: not compared with what came first",
    ),
  implausible_segments: count
    .optional()
    .describe(
      "Present when segments lay, or stated mappings, where no host would take them: counted, and nothing of what they said is believed",
    ),
  round_trip: z
    .object({ initiator: roundTrip, responder: roundTrip })
    .optional()
    .describe(
      "Microseconds from the agent to this side and back; both together are the round trip of the hosts. null where of no packet and its answer the copies that came first are one agent's, as where each agent sees one direction first",
    ),
};
