import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { Segment } from "../../collectors/outbox/segment.ts";

test("a new segment takes no name that another has, whose octets stay", () => {
  const directory = mkdtempSync(join(tmpdir(), "rejoin-segment-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "ended-0000000000000007.segment");
  writeFileSync(path, "another's");
  expect(() => Segment.create(directory, "ended", 7)).toThrow("EEXIST");
  expect(readFileSync(path, "utf8")).toBe("another's");
});
