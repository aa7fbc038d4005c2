import type { OutboxStats } from "../../collectors/outbox/outbox.ts";

/**
 * Holds a collector's log against the identity of its account, in every line that states it: made = acknowledged + stored +
 * the sum of shed. Throws the line that breaks it; other programs' logs have none.
 */
export function holdAccount(log: string): void {
  for (const line of log.split("\n")) {
    // A kill may have torn the last one.
    if (!/^\{.*"acknowledged".*\}$/.test(line)) continue;
    const { records } = JSON.parse(line) as { records?: OutboxStats };
    if (records === undefined) continue;
    const shed = Object.values(records.shed).reduce((sum, count) => sum + count, 0);
    if (records.made !== records.acknowledged + records.stored + shed) throw new Error(`it does not add up: ${line}`);
  }
}
