import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, test } from "vitest";
import { tokenFrom } from "../../collectors/top/token.ts";
import { needs, titled } from "../support/requirements.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-token-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, "token");
  writeFileSync(path, content);
  return path;
}

it.each(["s3cret", "s3cret\n", "s3cret\r\n", `${"s".repeat(4095)}\n`])("has a token of one line", (content) => {
  expect(tokenFrom(file(content))).toBe(content.trim());
});

it.each([
  ["two lines", "s3cret\nother\n", "holds no token: it is one line of printable ASCII"],
  ["nothing", "\n", "holds no token: it is one line of printable ASCII"],
  ["other characters", "s3crét", "holds no token: it is one line of printable ASCII"],
  ["more than 4,096 octets", "s3cret".repeat(1000), "is longer than a token; name the file that has it alone"],
])("quotes nothing of a file of %s", (_, content, why) => {
  const path = file(content);
  expect(() => tokenFrom(path)).toThrow(expect.objectContaining({ message: `--token-file ${path} ${why}` }));
});

it("says that there is no such file, and that a folder is none", () => {
  const path = join(folder, "absent");
  expect(() => tokenFrom(path)).toThrow(`--token-file ${path} cannot be read (ENOENT)`);
  expect(() => tokenFrom(folder)).toThrow(`--token-file ${folder} is no regular file; name the one with the token`);
});

const reason = needs("Linux");
test.skipIf(reason)(titled("does not read what has no end", reason), () => {
  expect(() => tokenFrom("/dev/zero")).toThrow(
    "--token-file /dev/zero is no regular file; name the one with the token",
  );
});
