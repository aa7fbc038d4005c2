import { describe, expect, it } from "vitest";
import { ENCAPSULATED as NAMES, onlyEncapsulated } from "../support/encapsulated.ts";

/** What a pipeline makes of those frames of a file that are in one encapsulation, but who copied them. */
async function only(file: string, number: number) {
  const found = await onlyEncapsulated(file, number);
  const subflows = found.records.flatMap(({ mptcp }) => mptcp.subflows);
  const agents = new Set(subflows.flatMap((subflow) => subflow.agents));
  // Who copied them is what encapsulation changes.
  for (const subflow of subflows) subflow.agents = [];
  return { ...found, agents: [...agents] };
}

const CELLS = NAMES.flatMap((name, i) =>
  [4, 6].flatMap((outer) => [4, 6].map((inner) => ({ name, outer, inner, number: i + 1 }))),
);

describe("sessions in every encapsulation are what they are without", () => {
  it.each(CELLS)("$name, IPv$outer outside, IPv$inner inside", async ({ outer, inner, number }) => {
    const file = `outer${outer}-inner${inner}.pcap.gz`;
    const plain = await only(file, 0);
    const wrapped = await only(file, number);
    expect(plain.records.length).toBeGreaterThan(0);
    expect(wrapped.records).toEqual(plain.records);
    expect(wrapped.totals).toEqual(plain.totals);
    expect(wrapped.agents).toEqual([expect.stringContaining(outer === 4 ? "198.51.100.1" : "2001:db8:1::1")]);
  });

  it.each(
    [{ name: "no encapsulation", number: 0 }, ...NAMES.map((name, i) => ({ name, number: i + 1 }))].flatMap((cell) =>
      [4, 6].flatMap((outer) => [4, 6].map((inner) => ({ ...cell, outer, inner }))),
    ),
  )("$name in fragments, IPv$outer outside, IPv$inner inside", async ({ outer, inner, number }) => {
    const plain = await only(`outer${outer}-inner${inner}.pcap.gz`, 0);
    const pieces = await only(`outer${outer}-inner${inner}-fragments.pcap.gz`, number);
    const { "decapsulate/fragment": fragments, ...packets } = pieces.totals.packets;
    expect(fragments).toBeGreaterThan(plain.totals.packetsIn / 2);
    expect(packets).toEqual(plain.totals.packets);
    expect(pieces.records).toEqual(plain.records);
  });
});
