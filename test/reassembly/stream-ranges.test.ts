import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NEAR_RANGES, StreamRanges } from "../../src/reassembly/stream-ranges.ts";

/** Ranges as a plain map of which octets are there. */
class ByteMap {
  readonly present: boolean[] = [];

  /** The pieces of [start, end) that were absent. */
  add(start: number, end: number): [number, number][] {
    const pieces: [number, number][] = [];
    for (let at = start; at < end; at++) {
      if (this.present[at]) continue;
      this.present[at] = true;
      const last = pieces.at(-1);
      if (last !== undefined && last[1] === at) last[1] = at + 1;
      else pieces.push([at, at + 1]);
    }
    return pieces;
  }

  ranges(): [number, number][] {
    const ranges: [number, number][] = [];
    for (const [at, there] of this.present.entries()) {
      if (!there) continue;
      const last = ranges.at(-1);
      if (last !== undefined && last[1] === at) last[1] = at + 1;
      else ranges.push([at, at + 1]);
    }
    return ranges;
  }

  /** Takes out what is connected to `offset`; returns how far that reaches. */
  advance(offset: number): number {
    let at = offset;
    while (this.present[at]) at++;
    for (let gone = 0; gone < at; gone++) this.present[gone] = false;
    return at;
  }

  copy(): ByteMap {
    const copy = new ByteMap();
    copy.present.push(...this.present);
    return copy;
  }
}

const listed = (ranges: StreamRanges, stream: number, length: number): [number, number][] =>
  Array.from({ length }, (_, i) => [ranges.start(stream, length, i), ranges.end(stream, length, i)]);

const pieces = (ranges: StreamRanges): [number, number][] =>
  Array.from({ length: ranges.pieceCount }, (_, i) => [ranges.pieces[i * 2] ?? -1, ranges.pieces[i * 2 + 1] ?? -1]);

const LIMIT = 12;

const operation = fc.oneof(
  { weight: 9, arbitrary: fc.record({ start: fc.nat(150), length: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.record({ advance: fc.nat(40) }) },
);

describe("ranges of a stream", () => {
  it("agree with a plain map of octets, operation by operation, with another stream beside", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), operation), { maxLength: 120, size: "max" }), (operations) => {
        const ranges = StreamRanges.ofOwnLines(3, LIMIT);
        const models = [new ByteMap(), new ByteMap(), new ByteMap()];
        const lengths = [0, 0, 0];
        const contiguous = [0, 0, 0];
        for (const [stream, one] of operations) {
          const model = models[stream] ?? new ByteMap();
          const base = contiguous[stream] ?? 0;
          if ("advance" in one) {
            const offset = base + one.advance;
            // The owner advances past what it placed itself; ranges below are swallowed.
            model.present.fill(false, 0, Math.min(offset, model.present.length));
            const reach = Math.max(offset, model.advance(offset));
            lengths[stream] = ranges.advance(stream, lengths[stream] ?? 0, offset);
            expect(ranges.reached).toBe(reach);
            contiguous[stream] = reach;
          } else {
            const start = base + 1 + one.start;
            const isThere = model.present.slice(start, start + one.length).includes(true);
            expect(ranges.overlaps(stream, lengths[stream] ?? 0, start, start + one.length)).toBe(isThere);
            const after = model.copy();
            const expected = after.add(start, start + one.length);
            const length = ranges.add(stream, lengths[stream] ?? 0, start, start + one.length);
            if (after.ranges().length > LIMIT) {
              expect(length).toBe(-1);
              continue;
            }
            expect(pieces(ranges)).toEqual(expected);
            lengths[stream] = length;
            models[stream] = after;
          }
          for (const [at, other] of models.entries()) {
            expect(listed(ranges, at, lengths[at] ?? 0)).toEqual(other.ranges());
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("hold as many as the limit, refuse one more, and take what joins two", () => {
    const ranges = StreamRanges.ofOwnLines(1, 100);
    let length = 0;
    for (let n = 0; n < 100; n++) length = ranges.add(0, length, n * 10, n * 10 + 5);
    expect(length).toBe(100);
    expect(ranges.add(0, length, 5_000, 5_001)).toBe(-1);
    expect(listed(ranges, 0, length)).toHaveLength(100);
    length = ranges.add(0, length, 5, 10);
    expect(length).toBe(99);
    expect(pieces(ranges)).toEqual([[5, 10]]);
    expect(ranges.add(0, length, 5_000, 5_001)).toBe(100);
  });

  it("one long range swallows many, piece by piece", () => {
    const ranges = StreamRanges.ofOwnLines(1, 100);
    let length = 0;
    for (let n = 0; n < 50; n++) length = ranges.add(0, length, n * 10, n * 10 + 5);
    length = ranges.add(0, length, 0, 500);
    expect(length).toBe(1);
    expect(pieces(ranges)).toHaveLength(50);
    expect(listed(ranges, 0, 1)).toEqual([[0, 500]]);
  });

  it("are forgotten with their stream, and the number may be used again", () => {
    const ranges = StreamRanges.ofOwnLines(1, 100);
    let length = 0;
    for (let n = 0; n < NEAR_RANGES + 3; n++) length = ranges.add(0, length, n * 10, n * 10 + 5);
    ranges.release(0);
    expect(ranges.add(0, 0, 7, 8)).toBe(1);
    expect(listed(ranges, 0, 1)).toEqual([[7, 8]]);
  });
});
