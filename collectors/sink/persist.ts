import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { OperationalError } from "../runtime/errors.ts";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const REMIND_MS = 60_000;

/**
 * Repeats `attempt` until it succeeds, with waits that double up to 10 s, each shortened by up to half at random.
 * Returns false when `signal` is aborted first. Only an `OperationalError` that is not retriable is thrown on; an
 * outage is logged once when it begins, each minute while it lasts, and when it is over. One that was logged already
 * began at `sinceMs`, in milliseconds since 1970.
 */
export async function persist(
  what: string,
  attempt: () => Promise<void>,
  signal: AbortSignal,
  log: Logger,
  sinceMs = 0,
): Promise<boolean> {
  let remindAtMs = sinceMs === 0 ? 0 : sinceMs + REMIND_MS;
  let beganMs = sinceMs;
  for (let waitMs = FIRST_WAIT_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      await attempt();
      if (beganMs > 0) log.info({ outageMs: Date.now() - beganMs }, `${what}: works again`);
      return true;
    } catch (error) {
      if (error instanceof OperationalError && !error.retriable) throw error;
      const nowMs = Date.now();
      beganMs ||= nowMs;
      if (nowMs >= remindAtMs) {
        log.warn({ forMs: nowMs - beganMs }, `${what}: ${error instanceof Error ? error.message : String(error)}`);
        remindAtMs = nowMs + REMIND_MS;
      }
    }
    await sleep(waitMs * (1 - Math.random() / 2), undefined, { signal }).catch(() => {});
  }
  return false;
}
