/** Time that goes this far at once needs two that say so. */
const LEAP_MICROS = 3600 * 1_000_000;

/**
 * Packet time as far as it is believed: one packet that states a time far away, in a damaged file or a forged one, moves
 * no deadline before a second one agrees. Asked once for each vector.
 */
export class PacketClock {
  private believed = 0;
  /** The last time that was too far away. */
  private leap = 0;

  /** Takes the time of a packet, in µs, and returns the packet time that holds now. It may step back, as packets do. */
  read(atMicros: number): number {
    const isNear = (micros: number): boolean => Math.abs(atMicros - micros) < LEAP_MICROS;
    if (this.believed === 0 || isNear(this.believed) || isNear(this.leap)) this.believed = atMicros;
    else this.leap = atMicros;
    return this.believed;
  }
}
