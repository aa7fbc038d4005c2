import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { Xxh64 } from "../../collectors/offline/xxh64.ts";
import { needs, titled } from "../support/requirements.ts";

// The reference implementation's digests.
it.each([
  ["", 0xef46db3751d8e999n],
  ["a", 0xd24ec4f1a98c6e5bn],
  ["abc", 0x44bc2cf5ad770999n],
])("digests %j", (text, digest) => {
  const hash = new Xxh64();
  hash.update(Buffer.from(text));
  expect(hash.digest()).toBe(digest);
});

const zstd = needs("zstd");
it.skipIf(zstd)(titled("agrees with the checksum zstd writes, for every length and piece", zstd), () => {
  for (const length of [...Array.from({ length: 70 }, (_, i) => i), 1_000, 99_999]) {
    const octets = Uint8Array.from({ length }, (_, i) => (i * 151) ^ (i >> 3) ^ 0xa5);
    const { stdout } = spawnSync("zstd", ["-c", "-q", "--check"], { input: octets });
    for (const step of [1, 5, 31, 32, 33, 100_000]) {
      if (length > 70 && step === 1) continue;
      const hash = new Xxh64();
      for (let at = 0; at < length; at += step) hash.update(octets.subarray(at, at + step));
      expect(Number(hash.digest() & 0xffffffffn)).toBe(stdout.readUInt32LE(stdout.length - 4));
    }
  }
});
