import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OctetRing } from "../../src/octets/octet-ring.ts";
import { NewOctets } from "../../src/reassembly/new-octets.ts";
import { OctetMemory, RING_FACTOR } from "../../src/reassembly/octet-memory.ts";

const STREAMS = 3;
const LENGTH = 200;

/** What came first, octet by octet: who brought it, and what it was. */
type Model = ({ octet: number; subflow: number } | undefined)[];

const operation = fc.record({
  stream: fc.nat(STREAMS - 1),
  start: fc.nat(LENGTH),
  length: fc.integer({ min: 1, max: 40 }),
  octet: fc.integer({ min: 1, max: 3 }),
  subflow: fc.nat(2),
  /** The vector's block is copied at once, or pieces one by one; `end` ends the stream. */
  kind: fc.constantFrom("whole", "piece", "piece", "end"),
});

/** Runs of octets from `start` on that the model lacks. */
function lacking(model: Model, start: number, end: number): [number, number][] {
  const runs: [number, number][] = [];
  for (let at = start; at < end; at++) {
    if (model[at] !== undefined) continue;
    const last = runs.at(-1);
    if (last !== undefined && last[1] === at) last[1] = at + 1;
    else runs.push([at, at + 1]);
  }
  return runs;
}

const newestOf = (streams: number) => ({
  numbers: new Float64Array(streams * 2),
  placeOf: (stream: number) => stream * 2 + 1,
});

const memoryOf = (newest: ReturnType<typeof newestOf>, octets: number) =>
  new OctetMemory(newest, octets, new OctetRing(octets * RING_FACTOR, 0));

/** Octets of `block` from `at`, as they are handed to a memory. */
function octetsOf(
  stream: number,
  offset: number,
  block: Uint8Array,
  at: number,
  length: number,
  subflow: number,
  agent: number,
): NewOctets {
  return Object.assign(new NewOctets(), { stream, offset, block, at, length, subflow, agent });
}

describe("the memory of octets", () => {
  it("with room for all says of every octet what a plain map says", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 80, size: "max" }), (operations) => {
        const memory = memoryOf(newestOf(STREAMS), 1 << 16);
        const models: Model[] = [[], [], []];
        for (const { stream, start, length, octet, subflow, kind } of operations) {
          const end = start + length;
          const model = models[stream] ?? [];
          if (kind === "end") {
            memory.release(stream);
            models[stream] = [];
            continue;
          }
          // The segment begins at octet 7 of a block; octets alternate, so that places matter.
          const block = Uint8Array.from({ length: length + 20 }, (_, i) => (octet * (i + start)) & 3);
          const zeroAt = 7 - start;
          memory.begin(block, 7, 7 + length, kind === "whole" ? length : 0);
          memory.compare(stream, start, end, block, zeroAt, subflow);
          const known = Array.from({ length }, (_, i) => model[start + i]).filter((one) => one !== undefined);
          const wrong = Array.from({ length }, (_, i) => start + i).filter(
            (at) => model[at] !== undefined && model[at].octet !== block[zeroAt + at],
          );
          expect(memory.compared).toBe(known.length);
          expect(memory.fromOthers).toBe(known.filter((one) => one.subflow !== subflow).length);
          expect(memory.differing).toBe(wrong.length);
          // Every difference lies in one entry, which begins and ends with one.
          for (const { offset, length: octets, first, second } of memory.differences) {
            expect(wrong).toContain(offset);
            expect(wrong).toContain(offset + octets - 1);
            expect(first[0]).toBe(model[offset]?.octet);
            expect(second[0]).toBe(block[zeroAt + offset]);
            expect(first.length).toBe(Math.min(octets, 32));
          }
          const told = memory.differences.flatMap(({ offset, length: octets }) =>
            wrong.filter((at) => at >= offset && at < offset + octets),
          );
          expect(told).toEqual(wrong);
          for (const [from, to] of lacking(model, start, end)) {
            memory.remember(octetsOf(stream, from, block, zeroAt + from, to - from, subflow, 0));
            for (let at = from; at < to; at++) model[at] = { octet: block[zeroAt + at] ?? 0, subflow };
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("without room for all never takes others' octets for what came first", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200, size: "max" }), (operations) => {
        const memory = memoryOf(newestOf(STREAMS), 128);
        const models: Model[] = [[], [], []];
        for (const { stream, start, length, subflow, kind } of operations) {
          const end = start + length;
          const model = models[stream] ?? [];
          if (kind === "end") {
            memory.release(stream);
            models[stream] = [];
            continue;
          }
          // What a stream has at an offset never changes here: whatever is compared must be equal.
          const block = Uint8Array.from({ length }, (_, i) => (stream * 7 + start + i) & 0xff);
          memory.begin(block, 0, length, kind === "whole" ? length : 0);
          memory.compare(stream, start, end, block, -start, subflow);
          expect(memory.differing).toBe(0);
          const known = Array.from({ length }, (_, i) => model[start + i]).filter((one) => one !== undefined);
          expect(memory.compared).toBeLessThanOrEqual(known.length);
          for (const [from, to] of lacking(model, start, end)) {
            memory.remember(octetsOf(stream, from, block, from - start, to - from, subflow, 0));
            for (let at = from; at < to; at++) model[at] = { octet: 0, subflow };
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("remembers the newest as long as the ring is, and no longer", () => {
    const memory = memoryOf(newestOf(1), 1024);
    const block = new Uint8Array(64);
    for (let n = 0; n < 32; n++) memory.remember(octetsOf(0, n * 64, block, 0, 64, 0, 0));
    const compared = Array.from({ length: 32 }, (_, n) => {
      memory.begin(block, 0, 0, 0);
      memory.compare(0, n * 64, n * 64 + 64, block, -n * 64, 0);
      return memory.compared;
    });
    expect(compared).toEqual([...Array(16).fill(0), ...Array(16).fill(64)]);
  });

  it("finds what is far back in as few steps as what is new", () => {
    const memory = memoryOf(newestOf(1), 1 << 25);
    const block = new Uint8Array(64);
    const pieces = 30_000;
    for (let n = 0; n < pieces; n++) memory.remember(octetsOf(0, n * 64, block, 0, 64, 0, 0));
    let compared = 0;
    for (let n = 0; n < pieces; n++) {
      memory.compare(0, n * 64, n * 64 + 64, block, -n * 64, 0);
      compared += memory.compared;
    }
    expect(compared).toBe(pieces * 64);
  });

  it("gives a search up that takes too long, vectors or not, and earns the next one", () => {
    const memory = memoryOf(newestOf(1), 1 << 25);
    const block = new Uint8Array(64);
    const pieces = 30_000;
    const middle = pieces * 64;
    memory.remember(octetsOf(0, middle, block, 0, 64, 0, 0));
    // Before and behind the middle by turns, so that every leap passes it and nothing shows that it is not there.
    for (let n = 1; n < pieces; n++) memory.remember(octetsOf(0, middle + (n & 1 ? n : -n) * 64, block, 0, 64, 0, 0));
    const comparedAt = (offset: number): number => {
      memory.begin(block, 0, 0, 0);
      memory.compare(0, offset, offset + 64, block, -offset, 0);
      return memory.compared;
    };
    const newest = middle + (pieces - 1) * 64;
    expect(comparedAt(middle)).toBe(0);
    expect(comparedAt(newest)).toBe(64);
    for (let n = 0; n < 200; n++) memory.compare(0, newest, newest + 64, block, -newest, 0);
    expect(comparedAt(middle)).toBe(0);
  });
});
