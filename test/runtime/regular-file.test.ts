import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { readRegularOctets } from "../../collectors/runtime/regular-file.ts";

test("of a file that is read nothing stays in memory but its octets, which may be a key, once", () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-regular-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "key");
  writeFileSync(path, "a key");
  const alloc = vi.spyOn(Buffer, "alloc");
  onTestFinished(() => alloc.mockRestore());
  const octets = readRegularOctets(path);
  expect([octets.toString(), octets.buffer.byteLength]).toEqual(["a key", 5]);
  const others = alloc.mock.results.map(({ value }) => value as Buffer).filter((buffer) => buffer !== octets);
  expect(others.map((buffer) => buffer.includes("a key"))).toEqual(others.map(() => false));
});
