/** Time that goes this far at once needs two that say so. */
export const LEAP_MICROS = 3600 * 1_000_000;
/** Copies of several agents come so far behind each other. What comes farther behind shows a clock that was set back. */
export const LATE_MICROS = 10 * 1_000_000;

/**
 * Packet time as far as it is believed, which deadlines go by. It goes forth, and stays where a packet is a little late.
 * One packet that states a time far away, in a damaged file or a forged one, moves nothing before the next one agrees;
 * where that does, a clock was set, be it back.
 */
export class PacketClock {
  /** The packet time that holds now, in µs; 0 before the first packet. */
  now = 0;
  /** To what it was last set back. */
  private setBackTo = 0;
  /** The last time that was too far away, and which one held then. */
  private leap = Number.NaN;
  private leapSeen = 0;

  /** Takes the time of a packet, in µs, and returns the packet time that holds now. Short: an agent asks for each packet. */
  read(atMicros: number): number {
    const ahead = atMicros - this.now;
    if (ahead > 0 ? ahead >= LEAP_MICROS : !(ahead > -LATE_MICROS)) this.doubt(atMicros);
    else if (ahead > 0) this.now = atMicros;
    return this.now;
  }

  /**
   * Since when something waits that began when this clock said `micros`. Time ahead of it is from before it was set back:
   * what is of then has waited since that, at least.
   */
  since(micros: number): number {
    return micros > this.now ? this.setBackTo : micros;
  }

  private doubt(atMicros: number): void {
    // A packet in between that was not far away has refuted it.
    const isAgreed = this.now === this.leapSeen && Math.abs(atMicros - this.leap) < LEAP_MICROS;
    if (this.now === 0 || isAgreed) {
      if (atMicros < this.now) this.setBackTo = atMicros;
      this.now = atMicros;
      return;
    }
    this.leap = atMicros;
    this.leapSeen = this.now;
  }
}
