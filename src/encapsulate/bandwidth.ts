/** What may be sent at once after a pause: a tenth of a second's worth, and any one copy. */
const BURST_SECONDS = 0.1;
const LEAST_BURST = 65_536;

/** Octets that copies may take on the wire, as a bucket that fills at a rate. */
export class Bandwidth {
  private octetsPerMs = Number.POSITIVE_INFINITY;
  private burst = Number.POSITIVE_INFINITY;
  private left = Number.POSITIVE_INFINITY;
  private atMs = 0;

  /** Sets the rate, 10^6 bits a second; null for no bound. */
  limit(mbitPerSecond: number | null): void {
    this.octetsPerMs = mbitPerSecond === null ? Number.POSITIVE_INFINITY : mbitPerSecond * 125;
    this.burst = Math.max(LEAST_BURST, this.octetsPerMs * 1000 * BURST_SECONDS);
    this.left = this.burst;
  }

  /** Lets time pass, up to `nowMs` of a clock that does not go back. */
  advance(nowMs: number): void {
    if (this.octetsPerMs !== Number.POSITIVE_INFINITY) {
      this.left = Math.min(this.burst, this.left + (nowMs - this.atMs) * this.octetsPerMs);
    }
    this.atMs = nowMs;
  }

  /** Takes so many octets if they are there; false when the copy is one too many. */
  take(octets: number): boolean {
    if (octets > this.left) return false;
    this.left -= octets;
    return true;
  }
}
