import { describe, expect, it } from "vitest";
import { Fingerprints } from "../../src/subflow/fingerprints.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { MirrorDuplicates } from "../../src/subflow/mirror-duplicates.ts";
import { Resolution } from "../../src/subflow/resolution.ts";
import { SubflowEvents } from "../../src/subflow/subflow-events.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import type { PacketVector } from "../../src/vector.ts";
import { type PacketShape, vectorOf } from "../encapsulate/packets.ts";

/** Flow keys that all have one hash. */
class AlikeKeys extends FlowKeys {
  override read(vector: PacketVector, from: number, to: number): void {
    super.read(vector, from, to);
    this.hash.fill(7);
  }
}

const IPV4: PacketShape = {
  ...{ family: 4, source: [10, 0, 0, 1], destination: [10, 0, 0, 2], sourcePort: 1, destinationPort: 2 },
  ...{ flags: 0x10, seq: 1, option: false, atMicros: 0 },
};
const rest = (last = 0): number[] => [...Array.from({ length: 11 }, () => 0), last];
/** Where a key has words of IPv4, the same. */
const IPV6: PacketShape = {
  ...IPV4,
  ...{ family: 6, source: [...IPV4.source, ...rest()], destination: [...IPV4.destination, ...rest()] },
};

/** The subflows of packets of two flows that are known, in the order in which they became so. */
function resolved(...flows: [PacketShape, PacketShape]): number[] {
  const vector = vectorOf(flows);
  const keys = new AlikeKeys(1);
  const subflows = new SubflowTable(2, 2, 2, keys);
  keys.read(vector, 0, 2);
  for (const i of [0, 1]) subflows.allocate(keys, i, 0);
  const events = new SubflowEvents();
  const fingerprints = new Fingerprints(keys.hash, 1);
  const duplicates = new MirrorDuplicates(fingerprints, events.subflow, subflows.hot);
  new Resolution(subflows, keys, fingerprints, duplicates, events).resolve(vector, 2);
  return [...events.subflow.subarray(0, 2)];
}

describe("two flows of one hash are told apart", () => {
  it.each<[by: string, one: PacketShape, other: PacketShape]>([
    ["the port of an IPv4 endpoint", IPV4, { ...IPV4, sourcePort: 3 }],
    ["the lower IPv4 address", IPV4, { ...IPV4, source: [10, 0, 0, 0] }],
    ["the higher IPv4 address", IPV4, { ...IPV4, destination: [10, 0, 0, 3] }],
    ["the port of an IPv6 endpoint", IPV6, { ...IPV6, sourcePort: 3 }],
    ["the last octet of the lower IPv6 address", IPV6, { ...IPV6, source: [...IPV4.source, ...rest(1)] }],
    ["the last octet of the higher IPv6 address", IPV6, { ...IPV6, destination: [...IPV4.destination, ...rest(1)] }],
    ["the family alone", IPV4, IPV6],
  ])("by %s", (_, one, other) => {
    expect(resolved(one, other)).toEqual([0, 1]);
    expect(resolved(other, one)).toEqual([0, 1]);
  });
});
