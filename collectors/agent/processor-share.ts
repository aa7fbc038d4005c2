import { setImmediate, setTimeout } from "node:timers/promises";

/** Time over which the processor's time is measured. */
const WINDOW_MS = 100;

/**
 * Keeps this process to a share of one processor: when it has taken its part of a window, packets wait in the kernel's ring
 * until the window is over, and the kernel drops and counts those for which that has no room.
 */
export class ProcessorShare {
  /** Milliseconds that packets were made to wait. */
  pausedMs = 0;
  private share = 1;
  private sinceMs = 0;
  private since = process.cpuUsage();

  /** Sets the share, percent of one processor; null for no bound. */
  limit(percent: number | null): void {
    this.share = percent === null ? Number.POSITIVE_INFINITY : percent / 100;
    this.begin();
  }

  /** The event loop's turn between two blocks of packets, and a pause where it is due. */
  async turn(): Promise<void> {
    if (this.share !== Number.POSITIVE_INFINITY) {
      const elapsedMs = performance.now() - this.sinceMs;
      const { user, system } = process.cpuUsage(this.since);
      const dueMs = (user + system) / 1000 / this.share;
      if (dueMs > Math.max(WINDOW_MS, elapsedMs)) {
        const pauseMs = dueMs - elapsedMs;
        await setTimeout(pauseMs);
        this.pausedMs += pauseMs;
        this.begin();
        return;
      }
      if (elapsedMs > WINDOW_MS) this.begin();
    }
    await setImmediate();
  }

  private begin(): void {
    this.sinceMs = performance.now();
    this.since = process.cpuUsage();
  }
}
