/** Writes pcapng blocks for tests: the project itself reads pcapng and never writes it. */

/** A packet as a test states it. */
export interface StatedPacket {
  readonly atMicros: number;
  readonly wire: number;
  readonly octets: Uint8Array;
}

/** What an interface description says. */
export interface StatedInterface {
  readonly linkType: number;
  readonly snapLength?: number;
  /** Octet of if_tsresol. */
  readonly resolution?: number;
  /** if_tsoffset in seconds. */
  readonly offsetSeconds?: bigint;
}

/** Encodes blocks of one section in one byte order. */
export class PcapngWriter {
  private readonly little: boolean;

  constructor(littleEndian: boolean) {
    this.little = littleEndian;
  }

  /** Section Header Block, with a comment and an unknown section length. */
  section(comment = ""): Uint8Array {
    const option = this.option(1, new TextEncoder().encode(comment));
    const body = new Uint8Array(16 + option.length);
    const view = new DataView(body.buffer);
    view.setUint32(0, 0x1a2b3c4d, this.little);
    view.setUint16(4, 1, this.little);
    view.setBigInt64(8, -1n, this.little);
    body.set(option, 16);
    return this.block(0x0a0d0d0a, body);
  }

  interface({ linkType, snapLength = 0, resolution, offsetSeconds }: StatedInterface): Uint8Array {
    const options: Uint8Array[] = [this.option(2, new TextEncoder().encode("eth0"))];
    if (resolution !== undefined) options.push(this.option(9, Uint8Array.of(resolution)));
    if (offsetSeconds !== undefined) {
      const value = new Uint8Array(8);
      new DataView(value.buffer).setBigInt64(0, offsetSeconds, this.little);
      options.push(this.option(14, value));
    }
    options.push(this.option(0, new Uint8Array(0)));
    const head = new Uint8Array(8);
    const view = new DataView(head.buffer);
    view.setUint16(0, linkType, this.little);
    view.setUint32(4, snapLength, this.little);
    return this.block(1, Buffer.concat([head, ...options]));
  }

  /** Enhanced Packet Block; `ticks` since 1970 in the interface's resolution. */
  enhanced(id: number, ticks: bigint, octets: Uint8Array, wire: number): Uint8Array {
    const head = new Uint8Array(20);
    new DataView(head.buffer).setUint32(0, id, this.little);
    return this.block(
      6,
      Buffer.concat([
        this.stamped(head, ticks, octets.length, wire),
        padded(octets),
        this.option(1, Buffer.from("note")),
      ]),
    );
  }

  /** Packet Block, obsolete since 2004. */
  obsolete(id: number, ticks: bigint, octets: Uint8Array, wire: number): Uint8Array {
    const head = new Uint8Array(20);
    const view = new DataView(head.buffer);
    view.setUint16(0, id, this.little);
    view.setUint16(2, 0xffff, this.little);
    return this.block(2, Buffer.concat([this.stamped(head, ticks, octets.length, wire), padded(octets)]));
  }

  /** Simple Packet Block. */
  simple(octets: Uint8Array, wire: number): Uint8Array {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, wire, this.little);
    return this.block(3, Buffer.concat([head, padded(octets)]));
  }

  /** A block of any type around its body, which is padded to 32 bits. */
  block(type: number, body: Uint8Array): Uint8Array {
    const inner = padded(body);
    const octets = new Uint8Array(12 + inner.length);
    const view = new DataView(octets.buffer);
    view.setUint32(0, type, this.little);
    view.setUint32(4, octets.length, this.little);
    octets.set(inner, 8);
    view.setUint32(8 + inner.length, octets.length, this.little);
    return octets;
  }

  private option(code: number, value: Uint8Array): Uint8Array {
    const octets = new Uint8Array(4 + Math.ceil(value.length / 4) * 4);
    const view = new DataView(octets.buffer);
    view.setUint16(0, code, this.little);
    view.setUint16(2, value.length, this.little);
    octets.set(value, 4);
    return octets;
  }

  private stamped(head: Uint8Array<ArrayBuffer>, ticks: bigint, captured: number, wire: number): Uint8Array {
    const view = new DataView(head.buffer);
    view.setUint32(4, Number(ticks >> 32n), this.little);
    view.setUint32(8, Number(ticks & 0xffff_ffffn), this.little);
    view.setUint32(12, captured, this.little);
    view.setUint32(16, wire, this.little);
    return head;
  }
}

function padded(octets: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(octets.length / 4) * 4);
  whole.set(octets);
  return whole;
}
