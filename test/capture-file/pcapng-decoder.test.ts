import { describe, expect, it } from "vitest";
import { hex } from "../support/pcap.ts";
import { PcapngWriter } from "../support/pcapng.ts";
import { decodeAll } from "./decoded.ts";

const LITTLE = new PcapngWriter(true);
const BIG = new PcapngWriter(false);
const PACKET = Uint8Array.of(0xaa, 0xbb, 0xcc);

function file(...blocks: Uint8Array[]): Uint8Array {
  return Buffer.concat(blocks);
}

describe("pcapng", () => {
  it("reads a big-endian section octet by octet", () => {
    const octets = hex(`
      0000: 0a 0d 0d 0a 00 00 00 1c 1a 2b 3c 4d 00 01 00 00  | section, 28 octets
      0010: ff ff ff ff ff ff ff ff 00 00 00 1c
      001c: 00 00 00 01 00 00 00 1c 00 01 00 00 00 00 00 00  | interface, Ethernet
      002c: 00 09 00 01 09 00 00 00 00 00 00 1c              | if_tsresol 10^-9
      0038: 00 00 00 06 00 00 00 24 00 00 00 00 00 00 00 01  | enhanced packet
      0048: 00 00 01 f4 00 00 00 03 00 00 00 3c aa bb cc 00  | 2^32 + 500 ns, 3 octets of 60
      0058: 00 00 00 24`);
    const packet = { atMicros: 4_294_967.796, wire: 60, linkType: 1, octets: "aabbcc" };
    expect(decodeAll(octets, 1)).toEqual({ packets: [packet], fault: null });
  });

  it("keeps interfaces apart and forgets them with their section", () => {
    const octets = file(
      LITTLE.section("first"),
      LITTLE.interface({ linkType: 1 }),
      LITTLE.interface({ linkType: 101, resolution: 3, offsetSeconds: 10n }),
      LITTLE.enhanced(1, 2n, PACKET, 3),
      LITTLE.enhanced(0, 2n, PACKET, 3),
      BIG.section(),
      BIG.interface({ linkType: 276, resolution: 0x80 | 10 }),
      BIG.obsolete(0, 1n << 10n, PACKET, 9),
    );
    const { packets, fault } = decodeAll(octets);
    expect(fault).toBeNull();
    expect(packets.map(({ atMicros, linkType, wire }) => [atMicros, linkType, wire])).toEqual([
      [10_002_000, 101, 3],
      [2, 1, 3],
      [1_000_000, 276, 9],
    ]);
  });

  it.each([
    [6, undefined],
    [9, 1_700_000_000n],
    [0, 0n],
    [12, -5n],
    [0x80 | 20, 3n],
    [0x80 | 32, undefined],
    [0x80, 1n],
  ])("reckons time exactly: resolution %i, offset %s s", (resolution, offset) => {
    const ticks = 0x0005_a1b2_c3d4_e5f6n;
    const perSecond = (resolution & 0x80 ? 2n : 10n) ** BigInt(resolution & 0x7f);
    // Microseconds in units of 2^-30, to have a fraction: bigint is the measure here.
    const exact = ((ticks * 1_000_000n) << 30n) / perSecond + (((offset ?? 0n) * 1_000_000n) << 30n);
    const described = LITTLE.interface({
      linkType: 1,
      resolution,
      ...(offset === undefined ? {} : { offsetSeconds: offset }),
    });
    const octets = file(LITTLE.section(), described, LITTLE.enhanced(0, ticks, PACKET, 3));
    const micros = decodeAll(octets).packets[0]?.atMicros ?? Number.NaN;
    expect(Math.abs(micros - Number(exact) / 2 ** 30)).toBeLessThanOrEqual(
      Math.max(Math.abs(micros) * 2 ** -52, 2 ** -29),
    );
  });

  it("gives a simple packet the time before it, and at most the snap length", () => {
    const octets = file(
      LITTLE.section(),
      LITTLE.interface({ linkType: 1, snapLength: 2 }),
      LITTLE.enhanced(0, 77n, PACKET, 3),
      LITTLE.simple(PACKET.subarray(0, 2), 60),
    );
    expect(decodeAll(octets).packets[1]).toEqual({ atMicros: 77, wire: 60, linkType: 1, octets: "aabb" });
  });

  it("skips blocks it does not know, however long", () => {
    const octets = file(
      LITTLE.section(),
      LITTLE.block(0x0bad, new Uint8Array(400_000).fill(6)),
      LITTLE.interface({ linkType: 1 }),
      LITTLE.block(5, new Uint8Array(12)),
      LITTLE.enhanced(0, 1n, PACKET, 3),
    );
    expect(decodeAll(octets, 1000)).toMatchObject({ packets: [{ octets: "aabbcc" }], fault: null });
  });

  it("reads on after a full vector", () => {
    const many = Array.from({ length: 200 }, (_, i) => LITTLE.enhanced(0, BigInt(i), PACKET, 3));
    const { packets } = decodeAll(file(LITTLE.section(), LITTLE.interface({ linkType: 1 }), ...many));
    expect(packets.map(({ atMicros }) => atMicros)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it("takes 4,096 interfaces of a section, and stops at one more", () => {
    const interfaces = Array.from({ length: 4096 }, () => LITTLE.interface({ linkType: 1 }));
    const full = file(LITTLE.section(), ...interfaces, LITTLE.enhanced(4095, 1n, PACKET, 3));
    expect(decodeAll(full)).toMatchObject({ packets: [{ octets: "aabbcc" }], fault: null });
    const further = file(full, LITTLE.interface({ linkType: 1 }));
    expect(decodeAll(further).fault).toMatchObject({ reason: "interface-limit", offset: full.length });
  });

  const head = file(LITTLE.section(), LITTLE.interface({ linkType: 1 }));
  const packet = LITTLE.enhanced(0, 1n, PACKET, 3);
  const damaged = (change: (octets: Uint8Array, view: DataView) => void): Uint8Array => {
    const copy = packet.slice();
    change(copy, new DataView(copy.buffer));
    return file(head, copy);
  };
  it.each([
    ["block-length", damaged((_, view) => view.setUint32(4, 8, true))],
    ["block-length", damaged((_, view) => view.setUint32(4, 33, true))],
    ["block-length", damaged((_, view) => view.setUint32(4, 28, true))],
    ["block-trailer", damaged((octets, view) => view.setUint32(octets.length - 4, 1, true))],
    ["packet-length", damaged((_, view) => view.setUint32(20, 40, true))],
    ["interface-unknown", damaged((_, view) => view.setUint32(8, 1, true))],
    ["interface-unknown", file(head.subarray(0), LITTLE.section(), LITTLE.simple(PACKET, 3))],
    ["byte-order", file(head, LITTLE.section().fill(0, 8, 12))],
    ["version", file(head, LITTLE.section().fill(2, 12, 13))],
    ["option-length", file(head, LITTLE.block(1, hex("01 00 00 00 00 00 00 00 02 00 ff 00 61 62 63 64")))],
    ["block-length", file(head, LITTLE.block(1, new Uint8Array(70_000)))],
  ])("stops at damage: %s", (reason, octets) => {
    for (const step of [1, octets.length]) {
      const { fault } = decodeAll(octets, step);
      expect(fault).toMatchObject({ reason });
      expect(fault?.offset).toBeGreaterThanOrEqual(head.length);
    }
  });

  it("bounds the interfaces of a section", () => {
    const described = LITTLE.interface({ linkType: 1 });
    const octets = file(LITTLE.section(), ...Array.from({ length: 4_097 }, () => described));
    expect(decodeAll(octets).fault).toMatchObject({ reason: "interface-limit" });
  });

  it("tells a file that was cut short, at every octet, with the offset of the block", () => {
    const blocks = [LITTLE.section("cut"), LITTLE.interface({ linkType: 1 }), packet, LITTLE.block(9, PACKET), packet];
    const whole = file(...blocks);
    const begins = blocks.map((_, i) => file(...blocks.slice(0, i)).length);
    for (let length = 4; length < whole.length; length++) {
      const { fault } = decodeAll(whole.slice(0, length), 13);
      const begin = begins.filter((at) => at <= length).at(-1) ?? 0;
      if (begin === length) expect(fault).toBeNull();
      else expect(fault).toMatchObject({ reason: "cut-short", offset: begin });
    }
  });
});
