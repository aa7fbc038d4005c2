/**
 * A seeded source of uint32 numbers (xorshift32 over a Weyl sequence): the same seed gives the same file on every machine.
 */
export class Random {
  private state: number;
  private weyl = 0;

  constructor(seed: number) {
    this.state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  }

  /** The next number, 0 to 2^32 - 1. */
  uint32(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    this.weyl = (this.weyl + 0x6d2b79f5) >>> 0;
    return (Math.imul(this.state + this.weyl, 0x85ebca6b) ^ (this.weyl >>> 15)) >>> 0;
  }

  /** A number from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * bound);
  }

  /** `length` octets. */
  octets(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.uint32() >>> 24);
  }
}

/** A step that visits every index of `count` once before it repeats. */
export function coprimeStride(count: number, random: Random): number {
  const greatest = (a: number, b: number): number => (b === 0 ? a : greatest(b, a % b));
  let stride = 1 + random.below(count);
  while (greatest(stride, count) !== 1) stride++;
  return stride;
}
