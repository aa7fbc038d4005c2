import { spawnSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressionOf, ExpandedSource } from "../../collectors/offline/expanded-source.ts";
import { openSource } from "../../collectors/offline/octet-source.ts";
import { needs, titled } from "../support/requirements.ts";
import { folder, put, streams } from "./files.ts";

/** Everything the compressed octets expand to, and the error that ended it. */
async function expand(octets: Uint8Array, room = 10_000): Promise<{ plain: Buffer; error: string | null }> {
  const source = openSource(put(folder(), "x", octets), streams().stdin);
  const head = new Uint8Array(4);
  const got = await source.read(head, 0, 4);
  const compression = compressionOf(head);
  if (compression === null) throw new Error("not compressed");
  const expanded = new ExpandedSource(source, compression, head.subarray(0, got));
  const plain: Buffer[] = [];
  try {
    for (;;) {
      const into = new Uint8Array(room);
      const filled = await expanded.read(into, 3, room - 3);
      if (filled === 0) return { plain: Buffer.concat(plain), error: null };
      plain.push(Buffer.from(into.subarray(3, 3 + filled)));
    }
  } catch (error) {
    return { plain: Buffer.concat(plain), error: String(error) };
  } finally {
    expanded.close();
  }
}

/** Octets that compress, but not to nothing. */
function grain(length: number): Buffer {
  return Buffer.from(
    Uint32Array.from({ length: Math.ceil(length / 4) }, (_, i) => (i * 2_654_435_761) >>> 20).buffer,
  ).subarray(0, length);
}

const zstd = needs("zstd");
const compressors = [
  ["gzip", (octets: Uint8Array): Buffer => gzipSync(octets), undefined],
  [
    "zstd",
    (octets: Uint8Array): Buffer => spawnSync("zstd", ["-c", "-q"], { input: octets, maxBuffer: 1 << 30 }).stdout,
    zstd,
  ],
] as const;

for (const [name, compress, missing] of compressors) {
  describe.skipIf(missing)(titled(name, missing), () => {
    it("expands, whatever the size and the room", async () => {
      const property = fc.asyncProperty(
        fc.integer({ min: 1, max: 700_000 }),
        fc.integer({ min: 4, max: 200_000 }),
        async (length, room) => {
          const plain = grain(length);
          const found = await expand(compress(plain), room);
          expect(found.error).toBeNull();
          expect(found.plain.equals(plain)).toBe(true);
        },
      );
      await fc.assert(property, { numRuns: 12 });
    });

    it("expands parts that were written one after the other", async () => {
      const [a, b] = [grain(300_000), grain(70_000)];
      const found = await expand(Buffer.concat([compress(a), compress(b)]));
      expect([found.error, found.plain.equals(Buffer.concat([a, b]))]).toEqual([null, true]);
    });

    it("gives what precedes the end of data that was cut short", async () => {
      const plain = grain(900_000);
      const whole = compress(plain);
      const found = await expand(whole.subarray(0, whole.length - 20));
      expect(found.error).toContain(`its ${name} data is cut short: ends at octet ${whole.length - 20}`);
      expect(found.plain.length).toBeGreaterThan(500_000);
      expect(found.plain.equals(plain.subarray(0, found.plain.length))).toBe(true);
    });

    it("tells a wrong checksum", async () => {
      const whole = Buffer.from(compress(grain(100_000)));
      const checksumAt = whole.length - (name === "gzip" ? 8 : 4);
      whole.writeUInt32LE((whole.readUInt32LE(checksumAt) ^ 1) >>> 0, checksumAt);
      const found = await expand(whole);
      expect(found.error).toMatch(new RegExp(`its ${name} data is damaged .*check`));
    });

    it("gives what precedes damage", async () => {
      const whole = compress(grain(4_000_000));
      const found = await expand(Buffer.from(whole).fill(0xff, whole.length - 30_000, whole.length - 29_000));
      expect(found.error).toContain(`its ${name} data is damaged`);
      expect(found.plain.length).toBeGreaterThan(500_000);
    });
  });
}

describe("gzip", () => {
  it("ends before padding", async () => {
    for (const padding of [1, 600, 100_000]) {
      const found = await expand(Buffer.concat([gzipSync(grain(200_000)), new Uint8Array(padding)]));
      expect([found.error, found.plain.length]).toEqual([null, 200_000]);
    }
  });
});

it("refuses a zstd frame whose window is beyond 128 MiB", async () => {
  // RFC 8878 §3.1.1: magic, no flags, the window's descriptor (2^27 octets, and one eighth more), an empty last block.
  const frame = (descriptor: string) => Buffer.from(`28b52ffd00${descriptor}010000`, "hex");
  expect(await expand(frame("88"))).toEqual({ plain: Buffer.alloc(0), error: null });
  expect((await expand(frame("89"))).error).toContain("needs 150994944 octets of memory, more than 134217728");
});

it.each([
  ["1f8b0800", "gzip"],
  ["28b52ffd", "zstd"],
  ["502a4d18", "zstd"],
  ["5f2a4d18", "zstd"],
  ["602a4d18", null],
  ["d4c3b2a1", null],
  ["1f", null],
  ["", null],
])("tells %s by its first octets: %s", (octets, compression) => {
  expect(compressionOf(Buffer.from(octets, "hex"))).toBe(compression);
});
