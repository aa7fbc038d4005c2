import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { PacketVector } from "../../src/vector.ts";
import { observe } from "../scenario/observed.ts";

/** Packets of recorded sessions in every delivery header, as scapy makes them (make.py there). */
const pathOf = (file: string): string => fileURLToPath(new URL(`encapsulated/${file}`, import.meta.url));
const NAMES = JSON.parse(readFileSync(pathOf("encapsulations.json"), "utf8")) as string[];

/** Of a file in which each packet stands plain and then in each encapsulation: the nth of each. */
async function every(file: string, nth: number) {
  const chosen = new PacketVector();
  let packets = 0;
  const found = await observe([pathOf(file)], { revisions: "ended" }, (vector, take) => {
    chosen.use(vector.block);
    chosen.clear();
    const { at, captured, wire, atMicros, linkType, source } = vector;
    for (let i = 0; i < vector.length; i++) {
      if (packets++ % (NAMES.length + 1) !== nth) continue;
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
  [4, 6].flatMap((outer) => [4, 6].map((inner) => ({ name, outer, inner, nth: i + 1 }))),
);

describe("sessions in every encapsulation are what they are without", () => {
  it.each(CELLS)("$name, IPv$outer outside, IPv$inner inside", async ({ outer, inner, nth }) => {
    const file = `outer${outer}-inner${inner}.pcap.gz`;
    const plain = await every(file, 0);
    const wrapped = await every(file, nth);
    expect(plain.records.length).toBeGreaterThan(0);
    expect(wrapped.records).toEqual(plain.records);
    expect(wrapped.totals).toEqual(plain.totals);
    expect(wrapped.agents).toEqual([expect.stringContaining(outer === 4 ? "198.51.100.1" : "2001:db8:1::1")]);
  });
});
