import { expect, test } from "vitest";
import { OctetRing } from "../../src/octets/octet-ring.ts";

const KIB = 1024;

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
