import type { RunPacket } from "../support/pipeline-run.ts";
import { GOOD_AGENT, type PathPlan, type SessionPlan } from "../support/simulator/plan.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { watch } from "../support/simulator/watch.ts";

const PATH: PathPlan = { ipv6: false, delayMillis: 10, jitterMillis: 0, loss: 0, doubled: 0, nat: false };

/** Two subflows over two paths, and some 40 KB each way. */
const PLAN: SessionPlan = {
  version: 1,
  octets: [40_000, 30_000],
  paths: [PATH, { ...PATH, delayMillis: 25 }],
  joins: [{ opener: 0, path: 1, atMillis: 60, backup: false }],
  events: [],
  scheduler: "round-robin",
  mss: 1400,
  mapping: 1400,
  mappingOn: "every",
  checksum: false,
  narrowDsn: false,
  narrowAck: false,
  capableData: false,
  finWithData: false,
  timestamps: true,
  wrapTcp: false,
  wrapDsn: false,
  reinjected: 0,
  stripped: "nothing",
  ending: "fin",
  endingBy: 0,
  endingAtMillis: 0,
};

/** What recorded captures do not have. */
const PLANS: Readonly<Record<string, Partial<SessionPlan>>> = {
  "simulated: version 0": { version: 0, checksum: true },
  "simulated: 32-bit numbers that wrap": { narrowDsn: true, narrowAck: true, wrapDsn: true },
  "simulated: TCP numbers that wrap": { wrapTcp: true },
  "simulated: IPv6, checksums": { checksum: true, paths: [{ ...PATH, ipv6: true }, PATH] },
  "simulated: first data in MP_CAPABLE": { capableData: true, checksum: true },
  "simulated: mappings of many segments": { mapping: 20_000 },
  "simulated: mappings stated once": { mapping: 8_000, mappingOn: "first" },
  "simulated: mappings stated at their end": { mapping: 8_000, mappingOn: "last" },
  "simulated: reinjections and losses": {
    reinjected: 0.2,
    paths: [
      { ...PATH, loss: 0.02 },
      { ...PATH, loss: 0.02 },
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
    () => watch(simulate([{ plan: { ...PLAN, ...plan }, beginMillis: 0 }], n + 1), [GOOD_AGENT], n + 1).copies,
  ],
);
