import fc from "fast-check";
import { expect, test } from "vitest";
import { MIN_WINDOW_OCTETS } from "../../src/capture-file/capture-decoder.ts";
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
    // They have gone round it.
    expect(ring.isThere(ring.keep(ring.block, at, 100))).toBe(true);
  }
});

test("what is said to be there is what was kept, and what was kept last is there, whoever writes what in which order", () => {
  const remembered = 2 * INPUT_OCTETS;
  const step = fc.record({
    kind: fc.constantFrom("input", "keep", "keep", "stage", "write"),
    skip: fc.integer({ min: 0, max: INPUT_OCTETS >> 2 }),
    length: fc.integer({ min: 1, max: INPUT_OCTETS >> 1 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
      const ring = new OctetRing(2 * remembered + 3 * INPUT_OCTETS, 0);
      const kept: Kept[] = [];
      let all = 0;
      let at = -1;
      let done = 0;
      for (const [n, { kind, skip, length: wanted }] of steps.entries()) {
        const mark = (n % 250) + 1;
        if (kind === "input" || at < 0) {
          at = ring.nextInput();
          done = 0;
          continue;
        }
        ring.clear();
        let block = ring.block;
        let from = at + done + skip;
        let length = Math.min(wanted, at + INPUT_OCTETS - from);
        if (kind === "keep") done += skip + Math.max(length, 0);
        else {
          from = 0;
          length = Math.min(wanted, 256 * KIB);
          block = new Uint8Array(length);
        }
        if (length <= 0) continue;
        block.fill(mark, from, from + length);
        if (kind === "stage") ring.stage(block, from, from + length, length);
        const place = ring.keep(block, from, length);
        expect(ring.isThere(place)).toBe(true);
        kept.push({ place, length, mark, before: all });
        all += length;
        for (const one of kept) {
          const isThere = ring.isThere(one.place);
          if (all - one.before <= remembered) expect(isThere).toBe(true);
          const address = one.place % ring.size;
          const octets = ring.octets.subarray(address, address + one.length);
          if (isThere) expect(octets.equals(Buffer.alloc(one.length, one.mark))).toBe(true);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("what was kept last is there when little more than half of what a source reads is kept, wherever the ring ends", () => {
  const remembered = 2 * INPUT_OCTETS + 64;
  const ring = new OctetRing(2 * remembered + 3 * INPUT_OCTETS, 0);
  ring.keep(new Uint8Array(INPUT_OCTETS / 8), 0, INPUT_OCTETS / 8);
  const half = () => ring.keep(ring.block, ring.nextInput(), INPUT_OCTETS / 2);
  half();
  const at = ring.nextInput();
  ring.keep(ring.block, at, INPUT_OCTETS / 2);
  const place = ring.keep(ring.block, at + INPUT_OCTETS / 2, 1);
  for (let n = 0; n < 4; n++) half();
  expect(ring.nextInput()).toBeLessThan(ring.size);
  expect(ring.isThere(place)).toBe(true);
});

test("a flood of octets that nobody keeps is forgotten with the ring's next round", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  const flood = new Uint8Array(64 * KIB);
  for (let n = 0; n < 2000; n++) {
    ring.clear();
    ring.stage(flood, 0, flood.length, flood.length);
    ring.keep(flood, 0, KIB);
  }
  let windows = 0;
  for (; ring.nextInput() >= ring.size && windows < 100; windows++) {
    for (let n = 0; n < 8; n++) {
      const block = new Uint8Array(64 * KIB);
      ring.keep(block, 0, block.length);
    }
  }
  expect(windows).toBeLessThanOrEqual(5);
});

test("octets of its own memory are not copied into a ring that nobody keeps octets in", () => {
  const ring = new OctetRing(PASSING_OCTETS, 0);
  const at = ring.nextInput();
  ring.stage(ring.block, at, at + 64 * KIB, 64 * KIB);
  expect(ring.reached).toBe(0);
});

test("nothing is staged that has no room beside what a source has", () => {
  const ring = new OctetRing(2 * INPUT_OCTETS + 128 * KIB, 0);
  const { at } = input(ring, 1, 0, INPUT_OCTETS);
  const large = new Uint8Array(700 * KIB).fill(2);
  ring.stage(large, 0, large.length, large.length);
  expect(ring.octets.subarray(at, at + INPUT_OCTETS).every((octet) => octet === 1)).toBe(true);
});

test("what was staged in vain pays for nothing that is written behind it", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  const block = new Uint8Array(250 * KIB);
  ring.keep(block, 0, block.length);
  ring.stage(block, 0, block.length, block.length);
  expect(input(ring, 1, 0, 0.3 * INPUT_OCTETS).at).toBeLessThan(ring.size);
  // Of what was written since, three tenths were kept.
  expect(ring.nextInput()).toBeGreaterThanOrEqual(ring.size);
});

test("what was staged in vain is no reason to lend nothing", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  ring.stage(new Uint8Array(64 * KIB), 0, 64 * KIB, 64 * KIB);
  expect(ring.nextInput()).toBeLessThan(ring.size);
});

test("what has no room before or behind what a source has goes to the ring's begin, and never beyond its end", () => {
  const behind = 256 * KIB;
  const ring = new OctetRing(2 * INPUT_OCTETS + 128 * KIB, behind);
  ring.octets.fill(9, ring.size);
  ring.keep(new Uint8Array(100 * KIB), 0, 100 * KIB);
  input(ring, 1, 0, INPUT_OCTETS);
  const { at } = input(ring, 1, 0, INPUT_OCTETS);
  for (let n = 0; n < 8; n++) {
    const block = new Uint8Array(200 * KIB).fill(2);
    const address = ring.keep(block, 0, block.length) % ring.size;
    expect(ring.octets.subarray(address, address + block.length).equals(block)).toBe(true);
  }
  expect(ring.octets.subarray(ring.size).every((octet) => octet === 9)).toBe(true);
  expect(ring.octets.subarray(at, at + INPUT_OCTETS).every((octet) => octet === 1)).toBe(true);
});

test("what a source has of the ring is not copied into it once more", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  const { at } = input(ring, 1, 0, 0);
  const { reached } = ring;
  ring.stage(ring.block, at, at + 64 * KIB, 64 * KIB);
  expect([ring.reached, ring.keep(ring.block, at, 64 * KIB)]).toEqual([reached, at]);
});

test.each([
  [2 * INPUT_OCTETS - 1, false],
  [2 * INPUT_OCTETS, true],
])("a ring of %d octets is lent to a source: %s", (size, isLent) => {
  const ring = new OctetRing(size, 0);
  for (let n = 0; n < 3; n++) expect(input(ring, 1, 0, INPUT_OCTETS).at < size).toBe(isLent);
});

test("what a source has given back is written over again, and is its own no more", () => {
  const ring = new OctetRing(4 * INPUT_OCTETS, 0);
  const block = new Uint8Array(256 * KIB);
  const keep = () => ring.keep(block, 0, block.length);
  keep();
  const { at } = input(ring, 1, 0, 0);
  expect(ring.nextInput()).toBeGreaterThanOrEqual(ring.size);
  const places = Array.from({ length: 17 }, keep);
  // Nothing is left out, round the whole ring.
  expect(places).toEqual(places.map((_, n) => INPUT_OCTETS + (n + 1) * block.length));
  // Octets of an address that a source once had are somebody else's by now.
  expect(ring.keep(ring.block, at, KIB)).toBe(INPUT_OCTETS + (places.length + 1) * block.length);
});

test("a source is lent as much as any record of a capture file takes", () => {
  expect(new OctetRing(0, 0).inputOctets).toBeGreaterThanOrEqual(MIN_WINDOW_OCTETS);
});
