import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Datagram, isMalformed } from "../../src/decapsulate/datagram.ts";
import { hex } from "../support/pcap.ts";

const IPV4 = hex("4500 0000 0001 2000 40 2f 0000 0a010001 0a020002");
const IPV6 = hex(`60000000 0000 2c 40 ${"20010db8".padEnd(32, "0")} ${"20010db9".padEnd(32, "0")}`);

/** A piece of so many octets, all there. */
const piece = (start: number, length: number, more: boolean, octets: Uint8Array = new Uint8Array(length)) => ({
  ...{ start, end: start + length, more, octets },
});

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
          const added = datagram.add(piece(offset, length, more, octets), header, 47);
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
    datagram.add(piece(16, 4, false, Uint8Array.of(5, 6, 7, 8)), IPV4, 47);
    datagram.add(piece(0, 8, true, Uint8Array.of(1, 2, 3)), IPV4, 47);
    expect(datagram.add(piece(8, 8, true), IPV4, 47)).toBe("complete");
    const { octets, wire } = datagram.whole();
    expect(wire).toBe(40);
    expect([...octets.subarray(20)]).toEqual([1, 2, 3]);
  });

  it.each<[name: string, expected: string, ...fragment: Parameters<typeof piece>]>([
    ["over the end of one", "overlaps", 8, 16, true],
    ["inside one", "overlaps", 0, 8, true],
    ["around one", "overlaps", 0, 64, true],
    ["the same place, but the last", "overlaps", 0, 16, false],
    ["the same again", "held", 0, 16, true],
    [
      "the same place, other octets: of the next packet with this identification",
      "other",
      0,
      16,
      true,
      Buffer.alloc(16, 1),
    ],
  ])("%s: %s", (_, expected, ...fragment) => {
    const datagram = new Datagram(4, 0);
    datagram.add(piece(0, 16, true), IPV4, 47);
    expect(datagram.add(piece(...fragment), IPV4, 47)).toBe(expected);
  });

  it("nothing lies behind the last fragment, nor is there a second one", () => {
    const datagram = new Datagram(4, 0);
    datagram.add(piece(16, 8, false), IPV4, 47);
    expect(datagram.add(piece(24, 8, true), IPV4, 47)).toBe("malformed");
    expect(datagram.add(piece(24, 8, false), IPV4, 47)).toBe("malformed");
    expect(datagram.add(piece(0, 16, true), IPV4, 47)).toBe("complete");
  });

  it("the last fragment does not lie before one that is there", () => {
    const datagram = new Datagram(4, 0);
    datagram.add(piece(16, 8, true), IPV4, 47);
    expect(datagram.add(piece(0, 16, false), IPV4, 47)).toBe("malformed");
  });

  it("when it is complete, whatever is not the same again is of the next packet", () => {
    const datagram = new Datagram(4, 0);
    datagram.add(piece(0, 16, true), IPV4, 47);
    datagram.add(piece(16, 8, false), IPV4, 47);
    expect(datagram.add(piece(16, 8, false), IPV4, 47)).toBe("held");
    for (const other of [piece(16, 4, false), piece(24, 8, true), piece(0, 8, true)])
      expect(datagram.add(other, IPV4, 47)).toBe("other");
  });

  it("of more pieces than the bound is refused one by one", () => {
    const datagram = new Datagram(4, 0);
    for (let n = 0; n < 256; n++) expect(datagram.add(piece(n * 8, 8, true), IPV4, 47)).toBe("held");
    expect(datagram.add(piece(2048, 8, true), IPV4, 47)).toBe("malformed");
    expect(datagram.octets).toBe(256 * (8 + 256));
  });
});

it.each<[name: string, ...fragment: [...Parameters<typeof piece>, header: number, expected: boolean]]>([
  ["a multiple of 8 octets", 0, 16, true, new Uint8Array(16), 20, false],
  ["none of them before the last", 16, 9, true, new Uint8Array(9), 20, true],
  ["any number of octets in the last", 16, 9, false, new Uint8Array(9), 20, false],
  ["no octets", 16, 0, false, new Uint8Array(0), 20, true],
  ["as much as an IP packet can hold", 65_512, 3, false, new Uint8Array(3), 20, false],
  ["an octet more", 65_512, 4, false, new Uint8Array(4), 20, true],
])("%s", (_, offset, length, more, octets, header, expected) => {
  expect(isMalformed(piece(offset, length, more, octets), header)).toBe(expected);
});
