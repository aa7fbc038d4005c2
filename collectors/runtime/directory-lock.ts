import { lstatSync, readFileSync } from "node:fs";
import { readlink, rename, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";

const NAME = "rejoin.lock";
/** Two collectors that take over the same dead one's lock at once sort themselves out within these. */
const ATTEMPTS = 5;

/**
 * A mark in a directory that one process of this machine writes there: `rejoin.lock`, a symbolic link to
 * `PID-STARTED`. A link is made with its content in one step, on a full disk too. A lock outlives a process that was
 * killed; the next one finds that process gone, or its number given to another that started later, and takes it over.
 */
export class DirectoryLock {
  private readonly path: string;
  private readonly own = `${process.pid}-${startOf(process.pid) ?? ""}`;
  private held = false;

  constructor(directory: string) {
    this.path = join(directory, NAME);
  }

  /** Returns the process that holds the lock, or null: this one does now. Rejects with the file system's error. */
  async take(): Promise<number | null> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        await symlink(this.own, this.path);
        this.held = true;
        return null;
      } catch (error) {
        if (!isCode(error, "EEXIST")) throw error;
      }
      const holder = await this.content(this.path);
      if (holder === null) continue;
      if (isAlive(holder)) return Number.parseInt(holder, 10);
      await this.removeStale(holder);
    }
    throw new Error(`${this.path} changes all the time`);
  }

  /** Removes the lock if it is this one's. Never rejects: one that stays is taken over once this process has ended. */
  async release(): Promise<void> {
    if (!this.held) return;
    this.held = false;
    try {
      if ((await this.content(this.path)) === this.own) await rm(this.path, { force: true });
    } catch {
      // The directory has become one to read only.
    }
  }

  /** Puts the lock aside before it is removed: if another process took it over meanwhile, that one gets it back. */
  private async removeStale(holder: string): Promise<void> {
    const aside = `${this.path}.${process.pid}`;
    try {
      await rename(this.path, aside);
    } catch (error) {
      if (isCode(error, "ENOENT")) return;
      throw error;
    }
    if ((await this.content(aside)) === holder) await rm(aside, { force: true });
    else await rename(aside, this.path);
  }

  private async content(path: string): Promise<string | null> {
    try {
      return await readlink(path);
    } catch (error) {
      if (isCode(error, "ENOENT")) return null;
      throw error;
    }
  }
}

/** Whether a path is that of a lock, as a pattern of a shell (`records/*`) brings it. */
export function isLock(path: string): boolean {
  return basename(path) === NAME && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/** Whether the process that wrote `PID-STARTED` still runs. */
function isAlive(holder: string): boolean {
  const [, pid, started] = /^(\d+)-(\d*)$/.exec(holder) ?? [];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    // EPERM: it runs, as another user.
    if (!isCode(error, "EPERM")) return false;
  }
  const now = startOf(Number(pid));
  return now === null || started === "" || now === started;
}

/** When a process started, in ticks since the machine did (proc(5), the 22nd field). Null where /proc does not say. */
function startOf(pid: number): string | null {
  try {
    // The second field, the program's name in parentheses, may hold spaces and parentheses itself.
    return (
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ")[19] ?? null
    );
  } catch {
    return null;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
