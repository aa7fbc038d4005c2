import type { RunPacket } from "../support/pipeline-run.ts";
import { GOOD_AGENT, type SessionPlan, USUAL_PATH, USUAL_PLAN } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";

/** What recorded captures do not have. */
const PLANS: Readonly<Record<string, Partial<SessionPlan>>> = {
  "simulated: version 0": { version: 0, checksum: true },
  "simulated: 32-bit numbers that wrap": { narrowDsn: true, narrowAck: true, wrapDsn: true },
  "simulated: TCP numbers that wrap": { wrapTcp: true },
  "simulated: IPv6, checksums": { checksum: true, paths: [{ ...USUAL_PATH, ipv6: true }, USUAL_PATH] },
  "simulated: first data in MP_CAPABLE": { capableData: true, checksum: true },
  "simulated: mappings of many segments": { mapping: 20_000 },
  "simulated: mappings stated once": { mapping: 8_000, mappingOn: "first" },
  "simulated: mappings stated at their end": { mapping: 8_000, mappingOn: "last" },
  "simulated: reinjections and losses": {
    reinjected: 0.2,
    paths: [
      { ...USUAL_PATH, loss: 0.02 },
      { ...USUAL_PATH, loss: 0.02 },
    ],
  },
  "simulated: all data on both subflows": { scheduler: "redundant" },
  "simulated: a backup, an address and a reset": {
    joins: [{ opener: 0, path: 1, atMillis: 60, backup: true }],
    events: [
      { atMillis: 80, side: 1, kind: "add-address", subflow: 0 },
      { atMillis: 100, side: 0, kind: "priority", subflow: 1 },
      { atMillis: 120, side: 1, kind: "remove-address", subflow: 0 },
      { atMillis: 140, side: 0, kind: "reset-subflow", subflow: 1 },
    ],
  },
  "simulated: a fast close on an ACK": { ending: "fastclose-ack", endingAtMillis: 150 },
  "simulated: a fast close on a RST": { ending: "fastclose-reset", endingBy: 1, endingAtMillis: 150 },
};

/** Simulated sessions by name, as an agent sees them that misses nothing; always the same packets. */
export const SIMULATED: readonly [name: string, packets: () => readonly RunPacket[]][] = Object.entries(PLANS).map(
  ([name, plan], n) => [
    name,
    () => watch(simulate([{ plan: { ...USUAL_PLAN, ...plan }, beginMillis: 0 }], n + 1), [GOOD_AGENT], n + 1).copies,
  ],
);
