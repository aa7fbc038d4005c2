const FIRST_OCTETS = 65_536;

/** Numbers that have been seen, of those that count up from 0: a bit for each, so that there may be more than a Set takes. */
export class SeenNumbers {
  private bits = new Uint8Array(FIRST_OCTETS);
  /** Different ones. */
  size = 0;

  /** Whether it is seen for the first time. */
  add(n: number): boolean {
    const at = Math.floor(n / 8);
    if (at >= this.bits.length) this.grow(at);
    const octet = this.bits[at] ?? 0;
    const bit = 1 << (n % 8);
    if ((octet & bit) !== 0) return false;
    this.bits[at] = octet | bit;
    this.size += 1;
    return true;
  }

  private grow(at: number): void {
    const bits = new Uint8Array(Math.max(2 * this.bits.length, at + 1));
    bits.set(this.bits);
    this.bits = bits;
  }
}
