import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { needs } from "./requirements.ts";

const VENV = fileURLToPath(new URL("../../node_modules/.cache/rejoin-python", import.meta.url));

/** Python with the packages that `pythonMissing` has put beside it. */
export const PYTHON = join(VENV, "bin/python3");

/** Puts a package, `NAME==VERSION`, at `PYTHON`'s side where it is not, or says why it cannot be had. */
export function pythonMissing(requirement: string): string | undefined {
  const missing = needs("python3", "python3 venv");
  if (missing !== undefined || existsSync(join(VENV, requirement))) return missing;
  mkdirSync(VENV, { recursive: true });
  const made = spawnSync("python3", ["-m", "venv", VENV], { timeout: 60_000 });
  if (made.status !== 0) return "needs python3 -m venv to work";
  // Without what a package wants besides: none that tests use needs it for what they do.
  const args = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", requirement];
  const pip = spawnSync(PYTHON, args, { timeout: 110_000 });
  if (pip.status !== 0) return `needs ${requirement} from pip`;
  writeFileSync(join(VENV, requirement), "");
  return undefined;
}

/** MessagePack for Python, as whoever reads the topics would install it. */
export const MSGPACK = "msgpack==1.1.2";
