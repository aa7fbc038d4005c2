import fc from "fast-check";
import { expect, test } from "vitest";
import { INPUT_OCTETS, OctetRing } from "../../src/octets/octet-ring.ts";

const KIB = 1024;
/** A ring too small to lend a part of it. */
const PASSING_OCTETS = 256 * KIB;

/** What lies in the ring where octets of a block are said to be. */
function at(ring: OctetRing, block: Uint8Array, from: number, length: number): Buffer {
  const address = ring.addressOf(block, from, length);
  return ring.octets.subarray(address, address + length);
}

test("octets of a staged block that others have written over are taken in again", () => {
  const ring = new OctetRing(64 * KIB, 0);
  const staged = new Uint8Array(60 * KIB).fill(0xa5);
  const other = new Uint8Array(10 * KIB).fill(0x5a);
  ring.stage(staged, 0, staged.length, staged.length);
  expect(ring.has(staged, 0, KIB)).toBe(true);
  ring.write(other, 0, other.length);
  expect(at(ring, staged, 0, KIB)).toEqual(Buffer.alloc(KIB, 0xa5));
});

test("a staged block stays while others find room beside it", () => {
  const ring = new OctetRing(64 * KIB, 0);
  const staged = new Uint8Array(40 * KIB).fill(0xa5);
  const other = new Uint8Array(10 * KIB).fill(0x5a);
  ring.stage(staged, 0, staged.length, staged.length);
  ring.write(other, 0, other.length);
  expect(ring.has(staged, 0, staged.length)).toBe(true);
  expect(at(ring, staged, 0, staged.length)).toEqual(Buffer.alloc(staged.length, 0xa5));
});

test("what nobody asked for leaves its room when the next block is staged", () => {
  const ring = new OctetRing(64 * KIB, 0);
  const block = new Uint8Array(40 * KIB);
  ring.stage(block, 0, block.length, block.length);
  const place = ring.stagedAt;
  ring.stage(new Uint8Array(40 * KIB), 0, block.length, block.length);
  expect(ring.stagedAt).toBe(place);
});

/** What was kept, and with what octets it was filled. */
interface Kept {
  readonly place: number;
  readonly length: number;
  readonly mark: number;
  /** Octets kept before it. */
  readonly before: number;
}

/** Asks for room and fills it; its octets [from, from + length) are kept. */
function input(ring: OctetRing, mark: number, from: number, length: number): { at: number; place: number } {
  const at = ring.nextInput();
  ring.octets.fill(mark, at, at + INPUT_OCTETS);
  ring.clear();
  return { at, place: length === 0 ? -1 : ring.keep(ring.block, at + from, length) };
}

test("what a source reads lies in the ring itself while most of it is kept, and behind the ring while it is not", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  const isLent = (keep: number) => input(ring, 1, 0, keep).at < ring.size;
  expect(isLent(0)).toBe(true);
  expect(isLent(0)).toBe(false);
  expect(isLent(INPUT_OCTETS)).toBe(false);
  expect(isLent(INPUT_OCTETS)).toBe(true);
  expect(isLent(INPUT_OCTETS / 2)).toBe(true);
  expect(isLent(INPUT_OCTETS / 2)).toBe(true);
  expect(isLent(INPUT_OCTETS / 2 - 1)).toBe(true);
  expect(isLent(0)).toBe(false);
});

test("octets of what a source reads have their own address, wherever they are", () => {
  const ring = new OctetRing(PASSING_OCTETS, 0);
  const { at: behind } = input(ring, 7, 0, 0);
  expect(behind).toBeGreaterThanOrEqual(PASSING_OCTETS);
  expect(ring.addressOf(ring.block, behind + 10, 20)).toBe(behind + 10);
});

test("while a source has a part of the ring nobody writes over it", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  for (let round = 0; round < 9; round++) {
    const { at } = input(ring, 1, 0, INPUT_OCTETS);
    const other = new Uint8Array(100_000).fill(2);
    for (let n = 0; n < 60; n++) {
      const place = ring.keep(other, 0, other.length);
      expect(ring.octets.subarray(place % ring.size, (place % ring.size) + other.length).every((o) => o === 2)).toBe(
        true,
      );
    }
    expect(ring.octets.subarray(at, at + INPUT_OCTETS).every((octet) => octet === 1)).toBe(true);
  }
});

test("what is said to be there is what was kept, and what was kept last is there, whoever writes what in which order", () => {
  const remembered = 2 * INPUT_OCTETS;
  const step = fc.record({
    kind: fc.constantFrom("input", "input", "stage", "write"),
    from: fc.integer({ min: 0, max: INPUT_OCTETS - 1 }),
    length: fc.integer({ min: 0, max: INPUT_OCTETS }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const ring = new OctetRing(2 * remembered + 2 * INPUT_OCTETS, 0);
      const kept: Kept[] = [];
      let all = 0;
      for (const [n, { kind, from, length: wanted }] of steps.entries()) {
        const mark = (n % 250) + 1;
        const length = Math.min(wanted, INPUT_OCTETS - from);
        const block = new Uint8Array(kind === "input" ? 0 : length).fill(mark);
        let place = -1;
        if (kind === "input") place = input(ring, mark, from, length).place;
        else if (length > 0) {
          ring.clear();
          if (kind === "stage") ring.stage(block, 0, length, length);
          place = ring.keep(block, 0, length);
        }
        if (place < 0) continue;
        kept.push({ place, length, mark, before: all });
        all += length;
        for (const one of kept) {
          const isThere = ring.isThere(one.place);
          if (all - one.before <= remembered) expect(isThere).toBe(true);
          const at = one.place % ring.size;
          const octets = ring.octets.subarray(at, at + one.length);
          if (isThere) expect(octets.equals(Buffer.alloc(one.length, one.mark))).toBe(true);
        }
      }
    }),
    { numRuns: 60 },
  );
});
