import { setTimeout } from "node:timers/promises";

/** Copies that may be under way when more are sent. With a vector of each agent they fit the smallest usual socket buffer. */
const UNDER_WAY = 32;
/** Copies that have not come for so long never will. */
const LOST_MS = 500;

/**
 * Holds agents back while the collector in the same process has not taken what they sent: on a busy machine the demo
 * becomes slower instead of losing packets. What the kernel loses all the same holds them back once.
 */
export class Pace {
  private readonly sent: () => number;
  private readonly received: () => number;
  private lost = 0;

  /** @param sent copies given to the kernel since the start; @param received copies that came */
  constructor(sent: () => number, received: () => number) {
    this.sent = sent;
    this.received = received;
  }

  /** Resolves when few enough copies are under way. */
  readonly hold = async (): Promise<void> => {
    const untilMs = performance.now() + LOST_MS;
    while (this.sent() - this.received() - this.lost > UNDER_WAY) {
      if (performance.now() > untilMs) this.lost = this.sent() - this.received();
      else await setTimeout(1);
    }
  };
}
