import { resolve } from "node:path";
import { CASES } from "../hostile/cases.ts";
import { SIMULATED } from "../judge/simulated.ts";
import { packetsOf } from "../support/pcap.ts";
import type { RunPacket } from "../support/pipeline-run.ts";

/** Packets of one observation, of up to three sources, in the order of their times. */
export interface Base {
  readonly name: string;
  readonly packets: readonly RunPacket[];
}

/** Recorded scenarios, the smaller ones; with the clients' side of routers where there is one. */
const SCENARIOS: readonly (readonly [scenario: string, ...files: string[]])[] = [
  ["fastopen", "router1", "router2"],
  ["http-many", "router1", "router2"],
  ["ipv6", "router1", "router2"],
  ["checksum", "router1", "router2"],
  ["remove-addr", "router1", "router2"],
  ["server-join", "router1", "router2"],
  ["fastclose-server", "router1", "router2"],
  ["kill-client", "router1", "router2"],
  ["delay-loss", "router1", "router2"],
  ["mangle-single", "router1", "router1-access"],
  ["mangle-single-bulk", "router1", "router1-access"],
  ["nat", "router2", "router2-access", "router1"],
  ["strip-data", "router1", "router1-access"],
  ["strip-syn", "router1", "router1-access"],
  ["strip-join", "router1", "router2-access"],
  ["../decapsulate/encapsulated", "outer4-inner6", "outer6-inner4"],
  ["../decapsulate/encapsulated", "outer4-inner4-fragments", "outer6-inner4-fragments"],
];

/** npm starts scripts and tests in the root of the repository. */
const CAPTURES = "test/captures";

/** More than anything that matters happens in. */
const MOST_PACKETS = 3_000;

/** Everything that is mutated: recorded sessions, hostile and simulated ones. */
export function corpus(): Base[] {
  const recorded = SCENARIOS.map(([name, ...files]) => ({
    name,
    packets: files
      .flatMap((file, source) => packetsOf(resolve(CAPTURES, name, `${file}.pcap.gz`), source, MOST_PACKETS))
      .sort((a, b) => a.atMicros - b.atMicros)
      .slice(0, MOST_PACKETS),
  }));
  const hostile = CASES.map(({ name, agents }) => ({
    name,
    packets: agents()
      .flatMap((packets, source) => packets.map((packet) => ({ ...packet, source })))
      .sort((a, b) => a.atMicros - b.atMicros),
  }));
  const simulated = SIMULATED.map(([name, packets]) => ({ name, packets: packets() }));
  return [...recorded, ...hostile, ...simulated];
}
