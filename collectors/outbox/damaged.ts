import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Damaged segments that are kept for somebody to look at. */
const KEPT = 4;
const NAME = /-(\d{16})\.segment\.damaged$/;

/**
 * Deletes all but the newest four damaged segments of an outbox's directory, by the number of their first record. Never
 * throws: what cannot be deleted stays until the next time.
 */
export function tidyDamaged(directory: string): void {
  try {
    const numbered = readdirSync(directory).flatMap((name) => {
      const number = NAME.exec(name)?.[1];
      return number === undefined ? [] : [{ name, number: Number(number) }];
    });
    numbered.sort((a, b) => a.number - b.number);
    for (const { name } of numbered.slice(0, -KEPT)) rmSync(join(directory, name), { force: true });
  } catch {
    // As above.
  }
}
