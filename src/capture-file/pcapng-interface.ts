const OPTION_END = 0;
const OPTION_TSRESOL = 9;
const OPTION_TSOFFSET = 14;
const MICROS_PER_SECOND = 1_000_000n;

/** One interface of a pcapng section: what its packets begin with and how its clock counts. */
export class PcapngInterface {
  readonly linkType: number;
  /** Octets kept of each packet, 0 for all. */
  readonly snapLength: number;
  private readonly ticksPerSecond: bigint;
  private readonly offsetMicros: bigint;
  private readonly divisor: number;
  // The upper half of a time stamp changes every few seconds to hours: what it stands for is kept from one packet to
  // the next, so that 64-bit arithmetic is exact and yet not done per packet.
  private upper = -1;
  private upperMicros = 0;
  private upperRest = 0;

  /** `resolution` is the octet of if_tsresol (bit 7: a power of 2, otherwise of 10), `offsetSeconds` if_tsoffset. */
  constructor(linkType: number, snapLength: number, resolution: number, offsetSeconds: bigint) {
    this.linkType = linkType;
    this.snapLength = snapLength;
    const exponent = BigInt(resolution & 0x7f);
    this.ticksPerSecond = (resolution & 0x80 ? 2n : 10n) ** exponent;
    this.divisor = Number(this.ticksPerSecond);
    this.offsetMicros = offsetSeconds * MICROS_PER_SECOND;
  }

  /** Microseconds since 1970 of a time stamp's upper and lower 32 bits. */
  micros(upper: number, lower: number): number {
    if (upper !== this.upper) {
      const scaled = (BigInt(upper) << 32n) * MICROS_PER_SECOND;
      this.upper = upper;
      this.upperMicros = Number(scaled / this.ticksPerSecond + this.offsetMicros);
      this.upperRest = Number(scaled % this.ticksPerSecond);
    }
    return this.upperMicros + (this.upperRest + lower * 1e6) / this.divisor;
  }
}

/**
 * Reads the body of an Interface Description Block, octets `at` to `end` (draft-ietf-opsawg-pcapng §4.2). Returns null
 * when an option runs past the body's end.
 */
export function decodeInterface(view: DataView, at: number, end: number, little: boolean): PcapngInterface | null {
  const linkType = view.getUint16(at, little);
  const snapLength = view.getUint32(at + 4, little);
  let resolution = 6;
  let offsetSeconds = 0n;
  let option = at + 8;
  while (end - option >= 4) {
    const code = view.getUint16(option, little);
    if (code === OPTION_END) break;
    const length = view.getUint16(option + 2, little);
    const value = option + 4;
    if (length > end - value) return null;
    if (code === OPTION_TSRESOL && length === 1) resolution = view.getUint8(value);
    if (code === OPTION_TSOFFSET && length === 8) offsetSeconds = view.getBigInt64(value, little);
    option = value + ((length + 3) & ~3);
  }
  return new PcapngInterface(linkType, snapLength, resolution, offsetSeconds);
}
