import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamDigests } from "../../src/reassembly/stream-digests.ts";
import { give as giveTo, windowsOf } from "./windows.ts";

const sha256 = (octets: string | Uint8Array): string => createHash("sha256").update(octets).digest("hex");

function digests(count: number, size = 32) {
  const { ring, windows } = windowsOf(2, count, size);
  const all = new StreamDigests(2, windows);
  const give = (offset: number, octets: string | Uint8Array, stream = 0) => giveTo(all, ring, stream, offset, octets);
  return { all, give, windows };
}

describe("digests of streams", () => {
  it("are those of the whole, however it is split and in whatever order the pieces come; nothing stays held", () => {
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
        const { all, give, windows } = digests(16);
        for (const { start, end } of parts) give(start, octets.subarray(start, end));
        expect(all.hex(0)).toBe(sha256(octets));
        expect(windows.counts[0]).toBe(0);
      }),
    );
  });

  it("stop at the first hole, can be asked again and again, and begin anew", () => {
    const { all, give } = digests(4);
    give(0, "abc");
    give(5, "xyz");
    expect(all.hex(0)).toBe(sha256("abc"));
    give(3, "de");
    expect(all.hex(0)).toBe(sha256("abcdexyz"));
    expect(all.hex(0)).toBe(sha256("abcdexyz"));
    expect(all.hex(1)).toBe(sha256(""));
    all.end(0);
    expect(all.hex(0)).toBe(sha256(""));
    give(0, "other");
    expect(all.hex(0)).toBe(sha256("other"));
  });

  it("are given up where the bound on windows is met, for the hole that was waited for longest", () => {
    const { all, give } = digests(2);
    give(10, "ab");
    give(40, "cd", 1);
    expect(all.hex(0)).toBe(sha256(""));
    give(0, "0123456789012345678901234567890123456789", 1);
    expect(all.hex(0)).toBeNull();
    expect(all.hex(1)).toBe(sha256("0123456789012345678901234567890123456789cd"));
    give(0, "late");
    expect(all.hex(0)).toBeNull();
  });
});
