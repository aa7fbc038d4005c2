import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeldOctets, StreamDigest } from "../../src/reassembly/stream-digest.ts";

const sha256 = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");

const MAX_HELD = 256 * 1024 * 1024;

describe("stream digest", () => {
  it("is that of the whole, however it is split and in whatever order the pieces come; nothing stays held", () => {
    const split = fc.record({
      octets: fc.uint8Array({ minLength: 1, maxLength: 400, size: "max" }),
      cuts: fc.array(fc.nat(399), { maxLength: 30, size: "max" }),
      order: fc.array(fc.nat(), { minLength: 31, maxLength: 31 }),
    });
    fc.assert(
      fc.property(split, ({ octets, cuts, order }) => {
        const at = [...new Set([0, ...cuts.filter((cut) => cut < octets.length), octets.length])].sort((a, b) => a - b);
        const parts = at.slice(0, -1).map((start, i) => ({ start, end: at[i + 1] ?? 0, rank: order[i] ?? 0 }));
        parts.sort((a, b) => a.rank - b.rank);
        const held = new HeldOctets();
        const digest = new StreamDigest(held);
        for (const { start, end } of parts) {
          // The block of a packet is used again at once.
          const block = Uint8Array.from(octets.subarray(start, end));
          digest.add(start, block);
          block.fill(0xff);
        }
        expect(digest.hex()).toBe(sha256(octets));
        expect(held.octets).toBe(0);
      }),
    );
  });

  it("stops at the first hole, and can be asked again and again", () => {
    const digest = new StreamDigest(new HeldOctets());
    digest.add(0, Buffer.from("abc"));
    digest.add(5, Buffer.from("xyz"));
    expect(digest.hex()).toBe(sha256(Buffer.from("abc")));
    digest.add(3, Buffer.from("de"));
    expect(digest.hex()).toBe(sha256(Buffer.from("abcdexyz")));
  });

  /** What a held piece is taken to cost besides its octets. */
  const PIECE = 256;

  it("gives up where the bound on held octets is met, and gives the room back", () => {
    const held = new HeldOctets();
    expect(held.reserve(MAX_HELD - 2 - PIECE)).toBe(true);
    const digest = new StreamDigest(held);
    digest.add(10, Buffer.from("ab"));
    expect(digest.shed).toBe(false);
    digest.add(20, Buffer.from("c"));
    expect(digest).toMatchObject({ shed: true });
    expect(digest.hex()).toBeNull();
    expect(held.octets).toBe(MAX_HELD - 2 - PIECE);
    digest.add(0, Buffer.from("late"));
    expect(digest.hex()).toBeNull();
  });

  it("gives back what is held when the stream is over", () => {
    const held = new HeldOctets();
    const digest = new StreamDigest(held);
    digest.add(10, Buffer.from("abc"));
    expect(held.octets).toBe(3 + PIECE);
    digest.release();
    expect(held.octets).toBe(0);
  });
});
