import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { needs, titled } from "../support/requirements.ts";
import { type CommandBlock, commandBlocks, isFollowed, pages } from "./command-blocks.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Pages whose blocks of `sh` are run, one after the other, in a folder that has the tree's captures. */
const PAGES = [
  "docs/records.md",
  "docs/detection.md",
  "docs/consumers/README.md",
  "docs/plain-tcp.md",
  "docs/sizing.md",
  "docs/troubleshooting.md",
];
const folder = mkdtempSync(join(tmpdir(), "rejoin-commands-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
symlinkSync(join(ROOT, "collectors"), join(folder, "collectors"));
// What `npx rejoin` finds in a clone, without npm's second.
writeFileSync(
  join(folder, "npx"),
  `#!/bin/sh\n[ "$1" = rejoin ] || exit 127\nshift\nexec "${process.execPath}" "${ROOT}dist/bin/rejoin.js" "$@"\n`,
);
chmodSync(join(folder, "npx"), 0o755);

const isRun = ({ page, isFenced, isMarked }: CommandBlock) => PAGES.includes(page) && isFenced && !isMarked;
const all = pages().flatMap(commandBlocks);
const blocks = all.filter(isRun).map(({ page, commands }) => ({ page, commands, first: commands.split("\n", 1)[0] }));

describe("blocks of commands in pages", () => {
  it("are run by a test, or say why they are not", () => {
    const untold = all.filter((block) => !block.isMarked && !isRun(block) && !isFollowed(block));
    expect(untold.map(({ page, heading, commands }) => `${page}, ${heading}: ${commands}`)).toEqual([]);
  });

  it("are found where there are some", () => {
    expect(new Set(all.map(({ page }) => page)).size).toBeGreaterThan(10);
  });
});

const reason = needs("jq");
describe.skipIf(reason)(titled("command blocks", reason), () => {
  it("are there", () => {
    expect(blocks.length).toBeGreaterThan(3);
  });

  it.each(blocks)("$page: $first", ({ commands }) => {
    // Nothing to read: bash takes a socket there for a remote shell, and reads its settings.
    const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail", "-c", commands], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: folder,
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}`, NO_COLOR: "1" },
      encoding: "utf8",
      timeout: 60_000,
    });
    expect([status, stderr]).toEqual([0, ""]);
    if (!/> \S+$/m.test(commands) || /\n.*consume/.test(commands)) expect(stdout).not.toBe("");
  });
});
