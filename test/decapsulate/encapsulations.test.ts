import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PacketVector } from "../../src/vector.ts";
import { observe } from "../scenario/observed.ts";

/** Packets of recorded sessions in every delivery header, as scapy makes them (make.py there). */
const pathOf = (file: string): string => fileURLToPath(new URL(`encapsulated/${file}`, import.meta.url));
const NAMES = JSON.parse(readFileSync(pathOf("encapsulations.json"), "utf8")) as string[];

/** Of an Ethernet source address: the octet that says in which encapsulation a frame is, 0 for none. */
const NUMBER_AT = 11;

/** What a pipeline makes of those frames of a file that are in one encapsulation. */
async function only(file: string, number: number) {
  const chosen = new PacketVector();
  const found = await observe([pathOf(file)], {}, (vector, take) => {
    chosen.use(vector.block);
    const { at, captured, wire, atMicros, linkType, source } = vector;
    for (let i = 0; i < vector.length; i++) {
      if (vector.block[(at[i] ?? 0) + NUMBER_AT] !== number) continue;
      chosen.add(at[i] ?? 0, captured[i] ?? 0, wire[i] ?? 0, atMicros[i] ?? 0, linkType[i] ?? 0, source[i] ?? 0);
    }
    if (chosen.length > 0) take(chosen);
  });
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
