import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { needs } from "./requirements.ts";

const HOME = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rejoin-python");

/** MessagePack for Python, as whoever reads the topics would install it. */
export const MSGPACK = "msgpack==1.1.2";

/** The Python that has a package, `NAME==VERSION`, beside it once `pythonMissing` has looked for it. */
export const pythonWith = (requirement: string): string => join(HOME, requirement, "bin/python3");

/** Installs a package, without what it wants besides, where it is not; returns why it cannot be had. */
export function pythonMissing(requirement: string): string | undefined {
  const missing = needs("python3", "python3 venv");
  if (missing !== undefined || existsSync(pythonWith(requirement))) return missing;
  mkdirSync(HOME, { recursive: true });
  // Two test files may want it at once: each makes its own, and the first one stays.
  const made = mkdtempSync(join(HOME, "new-"));
  try {
    const venv = spawnSync("python3", ["-m", "venv", made], { timeout: 60_000 });
    if (venv.status !== 0) return "needs python3 -m venv to work";
    const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", requirement];
    const pip = spawnSync(join(made, "bin/python3"), args, { timeout: 110_000 });
    if (pip.status !== 0) return `needs ${requirement} from pip`;
    if (!existsSync(join(HOME, requirement))) renameSync(made, join(HOME, requirement));
  } catch (error) {
    // Somebody else's came between the question and the renaming.
    if (!existsSync(pythonWith(requirement))) throw error;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return undefined;
}
