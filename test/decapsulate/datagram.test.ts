import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Datagram } from "../../src/decapsulate/datagram.ts";
import { hex } from "../support/pcap.ts";

const IPV4 = hex("4500 0000 0001 2000 40 2f 0000 0a010001 0a020002");
const IPV6 = hex(`60000000 0000 2c 40 ${"20010db8".padEnd(32, "0")} ${"20010db9".padEnd(32, "0")}`);

/** A payload, its length cut into fragments of a multiple of 8 octets, and in which order these come. */
const fragmented = fc
  .record({
    blocks: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
    tail: fc.integer({ min: 1, max: 8 }),
  })
  .chain(({ blocks, tail }) => {
    const lengths = blocks.map((block, i) => (i === blocks.length - 1 ? block * 8 - 8 + tail : block * 8));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const places = lengths.map((length, i) => ({
      offset: lengths.slice(0, i).reduce((sum, one) => sum + one, 0),
      length,
    }));
    return fc.record({
      payload: fc.uint8Array({ minLength: total, maxLength: total }),
      // Twice each, in any order: some come again.
      order: fc.shuffledSubarray([...places, ...places], {
        minLength: places.length * 2,
        maxLength: places.length * 2,
      }),
      family: fc.constantFrom(4, 6),
    });
  });

describe("a fragmented packet", () => {
  it("is put together whatever the order, and whatever comes again", () => {
    fc.assert(
      fc.property(fragmented, ({ payload, order, family }) => {
        const datagram = new Datagram(family, 0);
        const header = family === 4 ? IPV4 : IPV6;
        const seen = new Set<number>();
        for (const { offset, length } of order) {
          const octets = payload.slice(offset, offset + length);
          const more = offset + length < payload.length;
          const added = datagram.add(offset, length, more, header, 47, octets);
          const missing = new Set(order.map((place) => place.offset)).size - seen.add(offset).size;
          expect(added).toBe(missing === 0 ? "complete" : "held");
          if (missing === 0) break;
        }
        const { octets, wire } = datagram.whole();
        const view = new DataView(octets.buffer);
        expect(wire).toBe(header.length + payload.length);
        expect(octets.subarray(header.length)).toEqual(payload);
        expect(view.getUint16(4)).toBe(family === 4 ? 1 : payload.length);
        expect([view.getUint16(2), view.getUint16(6)]).toEqual(family === 4 ? [wire, 0] : [0, 0x2f40]);
      }),
    );
  });

  it("ends at the first octet that a copy was cut before", () => {
    const datagram = new Datagram(4, 0);
    datagram.add(16, 4, false, IPV4, 47, Uint8Array.of(5, 6, 7, 8));
    datagram.add(0, 8, true, IPV4, 47, Uint8Array.of(1, 2, 3));
    expect(datagram.add(8, 8, true, IPV4, 47, new Uint8Array(8))).toBe("complete");
    const { octets, wire } = datagram.whole();
    expect(wire).toBe(40);
    expect([...octets.subarray(20)]).toEqual([1, 2, 3]);
  });

  it.each<[name: string, expected: string, ...fragment: [offset: number, length: number, more: boolean]]>([
    ["over the end of one", "overlaps", 8, 16, true],
    ["inside one", "overlaps", 0, 8, true],
    ["around one", "overlaps", 0, 64, true],
    ["the same again", "held", 0, 16, true],
    ["none of a multiple of 8 octets before the last", "malformed", 16, 9, true],
    ["no octets", "malformed", 16, 0, false],
    ["past what an IP packet can hold", "malformed", 65_528, 8, false],
    ["the last one, before one that is there", "malformed", 0, 8, false],
  ])("%s: %s", (_, expected, offset, length, more) => {
    const datagram = new Datagram(4, 0);
    datagram.add(0, 16, true, IPV4, 47, new Uint8Array(16));
    expect(datagram.add(offset, length, more, IPV4, 47, new Uint8Array(length))).toBe(expected);
  });

  it("nothing lies behind the last fragment, nor is there a second one", () => {
    const datagram = new Datagram(4, 0);
    datagram.add(16, 8, false, IPV4, 47, new Uint8Array(8));
    expect(datagram.add(24, 8, true, IPV4, 47, new Uint8Array(8))).toBe("malformed");
    expect(datagram.add(24, 8, false, IPV4, 47, new Uint8Array(8))).toBe("malformed");
    expect(datagram.add(0, 16, true, IPV4, 47, new Uint8Array(16))).toBe("complete");
  });

  it("of more pieces than the bound is refused one by one", () => {
    const datagram = new Datagram(4, 0);
    for (let n = 0; n < 256; n++) expect(datagram.add(n * 8, 8, true, IPV4, 47, new Uint8Array(8))).toBe("held");
    expect(datagram.add(2048, 8, true, IPV4, 47, new Uint8Array(8))).toBe("malformed");
  });
});
