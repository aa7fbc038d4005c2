import { spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DirectoryLock } from "../../collectors/runtime/directory-lock.ts";
import { needs, titled } from "../support/requirements.ts";

const reason = needs("Linux", "root");
test.skipIf(reason)(
  titled("a directory that has become one to read only keeps the lock; nothing rejects", reason),
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "rejoin-lock-"));
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "rejoin-lock-test", directory]).status;
    try {
      expect(mounted).toBe(0);
      const lock = new DirectoryLock(directory);
      expect(await lock.take()).toBeNull();
      expect(spawnSync("mount", ["-o", "remount,ro", directory]).status).toBe(0);
      await lock.release();
      expect(lstatSync(join(directory, "rejoin.lock")).isSymbolicLink()).toBe(true);
    } finally {
      spawnSync("umount", [directory]);
      rmSync(directory, { recursive: true });
    }
  },
);
