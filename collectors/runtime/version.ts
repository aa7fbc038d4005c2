import { readFileSync } from "node:fs";

/** Walks up from this file to the package's own package.json: it lies one folder deeper in `dist` than in the tree. */
function readVersion(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const parsed: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8"));
      if (typeof parsed === "object" && parsed !== null && "version" in parsed) return String(parsed.version);
    } catch {
      // Not at this depth.
    }
  }
  return "unknown";
}

/** The version in package.json, as records and `--version` state it. */
export const VERSION = readVersion();
