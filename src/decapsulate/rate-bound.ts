import { MAX_LATE_MICROS } from "./device-clock.ts";

/** What an agent may send at once after a pause: a second's worth. */
const BURST_MICROS = 1_000_000;

/**
 * A bound on packets a second, in packet time: one that would come more than BURST_MICROS before its turn is over it. Of a
 * stream that is ever too fast the bound's rate passes, evenly.
 */
export class RateBound {
  private readonly intervalMicros: number;
  /** When the next packet would be due if they came evenly. */
  private dueMicros = 0;

  constructor(packetsPerSecond: number) {
    this.intervalMicros = 1_000_000 / packetsPerSecond;
  }

  /** Whether a packet of this time is over the bound; one that is not takes its turn. */
  isOver(atMicros: number): boolean {
    const ahead = this.dueMicros - atMicros;
    // Further ahead than any turn is due, of a packet too that its device dates back, only where packet time stepped back: turns
    // begin anew.
    if (ahead < 0 || ahead > 2 * BURST_MICROS + MAX_LATE_MICROS) this.dueMicros = atMicros;
    else if (ahead > BURST_MICROS) return true;
    this.dueMicros += this.intervalMicros;
    return false;
  }
}
