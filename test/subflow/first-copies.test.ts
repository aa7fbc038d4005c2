import { describe, expect, it } from "vitest";
import { FirstCopies } from "../../src/subflow/first-copies.ts";
import { PacketVector } from "../../src/vector.ts";

const MOST_OCTETS = 16 * 1024 * 1024;

/** A packet whose payload is so many octets of this value. */
function packet(octets: number, value: number): PacketVector {
  const vector = new PacketVector();
  vector.use(new Uint8Array(octets).fill(value));
  vector.payloadCaptured[0] = octets;
  return vector;
}

describe("payload of first copies", () => {
  it("is found until 16 MiB came after it, and never another packet's", () => {
    const copies = new FirstCopies(8);
    const first = packet(32 * 1024, 1);
    const others = packet(32 * 1024, 2);
    copies.keep(0, first, 0);
    const kept = MOST_OCTETS / (32 * 1024);
    for (let n = 1; n < kept; n++) copies.keep(1, others, 0);
    expect(copies.find(0, first, 0)).toBe(true);
    expect([copies.view.getUint8(copies.payloadAt), copies.payloadEnd - copies.payloadAt]).toEqual([1, 32 * 1024]);
    copies.keep(1, others, 0);
    expect([copies.find(0, first, 0), copies.uncompared]).toEqual([false, 1]);
    expect(copies.find(1, others, 0)).toBe(true);
  });

  it("of a number that was given to another packet is not found, and of a packet without any not asked for", () => {
    const copies = new FirstCopies(8);
    copies.keep(0, packet(10, 1), 0);
    copies.forget(0);
    expect([copies.find(0, packet(10, 1), 0), copies.uncompared]).toEqual([false, 1]);
    expect([copies.find(0, packet(0, 1), 0), copies.uncompared]).toEqual([false, 1]);
  });
});
