import { readdirSync } from "node:fs";

/** Where Linux lists its interfaces, a directory of files for each. */
export const INTERFACES = "/sys/class/net";

/** The names of this host's interfaces, in order; none where they are not listed. */
export function presentInterfaces(): readonly string[] {
  try {
    return readdirSync(INTERFACES).toSorted();
  } catch {
    return [];
  }
}
