import type { Totals } from "../../src/pipeline.ts";
import type { Generated } from "./files.ts";
import { differencesOf } from "./result.ts";
import { type Truth, type Workload, writeTraffic } from "./traffic.ts";

/** A generated file that a bench reads, and what must be counted in it. */
export interface Capture<T extends { readonly packets: number }> extends Generated<T> {
  readonly about: string;
  /** What `rejoin read --summary --json` counted otherwise than was written. */
  readonly differences: (totals: Totals, truth: T) => string[];
}

/** A capture of generated sessions. */
function generated(name: string, about: string, workload: Workload): Capture<Truth> {
  return { name, about, workload, write: (path) => writeTraffic(path, workload), differences };
}

export const HEADERS = generated("headers", "5,000,000 packets cut to 126 octets, 10,000 sessions of 2.5 subflows", {
  sessions: 10_000,
  packetsPerSubflow: 200,
  snap: 126,
  seed: 1,
});

/** The workload of the capture `payload`, which the bench of streams reads too. */
export const PAYLOAD_WORKLOAD: Workload = { sessions: 3_000, packetsPerSubflow: 200, snap: 65_535, seed: 2 };

export const PAYLOAD = generated(
  "payload",
  "1,500,000 packets of 1,446 octets, 3,000 sessions of 2.5 subflows",
  PAYLOAD_WORKLOAD,
);

export const CHECKSUM = generated(
  "checksum",
  "1,500,000 packets of 1,446 octets, 3,000 sessions of 2.5 subflows, every mapping with a checksum; seed 2",
  { ...PAYLOAD_WORKLOAD, checksums: true },
);

/** Compares totals with what the generator wrote. */
function differences(totals: Totals, truth: Truth): string[] {
  const { octets, verdicts } = totals;
  return differencesOf([
    ["packets", truth.packets, totals.packetsIn],
    ["packets counted", truth.packets, totals.packets["session/counted"]],
    ["sessions", truth.sessions, totals.sessions.opened],
    ["sessions ended by FIN", truth.sessions, totals.endedBy.fin],
    ["initial subflows", truth.subflows.initial, totals.subflows.initial],
    ["joined subflows", truth.subflows.joined, totals.subflows.joined],
    ["join HMACs verified", 2 * truth.subflows.joined, verdicts["join-hmac"]?.verified],
    ["mappings' checksums verified", truth.checksums ?? 0, verdicts.checksum?.verified],
    ["octets of initiators", truth.octets.initiator, octets.initiator],
    ["octets of responders", truth.octets.responder, octets.responder],
    ["octets missing", truth.octets.missing, octets.missing],
  ]);
}
