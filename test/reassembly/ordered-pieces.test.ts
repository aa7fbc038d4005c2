import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrderedPieces } from "../../src/reassembly/ordered-pieces.ts";

const octets = new Uint8Array(1);

/** Takes everything out: the offsets in the order they came. */
function drain(pieces: OrderedPieces): number[] {
  const offsets: number[] = [];
  for (let piece = pieces.first; piece !== undefined; piece = pieces.first) {
    offsets.push(piece.offset);
    pieces.takeFirst();
  }
  return offsets;
}

describe("pieces of a stream", () => {
  it("come out by their offsets, however they went in", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000)), (offsets) => {
        const pieces = new OrderedPieces();
        for (const offset of offsets) pieces.add({ offset, octets });
        expect(pieces.size).toBe(offsets.length);
        expect(drain(pieces)).toEqual([...offsets].sort((a, b) => a - b));
        expect(pieces.size).toBe(0);
      }),
    );
  });

  it.each(["up", "down", "mixed"])("cost each a look or two more when there are twice as many: %s", (order) => {
    const looksFor = (count: number): number => {
      let looks = 0;
      const pieces = new OrderedPieces();
      for (let n = 0; n < count; n++) {
        // 7919 is a prime: every place comes once.
        const place = order === "up" ? n : order === "down" ? count - n : (n * 7919) % count;
        const piece = {
          octets,
          get offset() {
            looks++;
            return place * 10;
          },
        };
        pieces.add(piece);
      }
      drain(pieces);
      return looks / count;
    };
    expect(looksFor(8192) - looksFor(4096)).toBeLessThanOrEqual(2);
  });
});
