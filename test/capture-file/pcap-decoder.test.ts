import { describe, expect, it } from "vitest";
import { hex, pcapFile } from "../support/pcap.ts";
import { decodeAll } from "./decoded.ts";

const LITTLE_MICROS = hex(`
  0000: d4 c3 b2 a1 02 00 04 00 00 00 00 00 00 00 00 00  | magic, 2.4
  0010: 00 00 04 00 01 00 00 00                          | snap length 262144, Ethernet
  0018: 01 00 00 00 02 00 00 00 03 00 00 00 3c 00 00 00  | 1.000002 s, 3 octets of 60
  0028: aa bb cc`);
const BIG_NANOS = hex(`
  0000: a1 b2 3c 4d 00 02 00 04 00 00 00 00 00 00 00 00  | magic of nanoseconds
  0010: 00 04 00 00 24 00 00 65                          | FCS of 4 octets, raw IP
  0018: 00 00 00 01 00 00 05 dc 00 00 00 02 00 00 00 02  | 1.000001500 s, 2 octets
  0028: 45 00`);

describe("pcap", () => {
  it("reads little-endian microseconds", () => {
    const packet = { atMicros: 1_000_002, wire: 60, linkType: 1, octets: "aabbcc" };
    expect(decodeAll(LITTLE_MICROS)).toEqual({ packets: [packet], fault: null });
  });

  it("reads big-endian nanoseconds, and the link type beside the FCS length", () => {
    const packet = { atMicros: 1_000_001.5, wire: 2, linkType: 101, octets: "4500" };
    expect(decodeAll(BIG_NANOS)).toEqual({ packets: [packet], fault: null });
  });

  it("takes a length on the wire below the captured one for the captured one", () => {
    const file = LITTLE_MICROS.slice();
    file[0x18 + 12] = 1;
    expect(decodeAll(file).packets[0]?.wire).toBe(3);
  });

  it("stops at a packet longer than any, with its offset", () => {
    const file = LITTLE_MICROS.slice();
    file.set([0x01, 0x00, 0x04, 0x00], 0x18 + 8);
    const { packets, fault } = decodeAll(file);
    expect(packets).toEqual([]);
    expect(fault).toMatchObject({ reason: "packet-length", offset: 0x18 });
  });

  it("takes the longest packet there can be", () => {
    const octets = new Uint8Array(262_144).fill(7);
    const { packets, fault } = decodeAll(pcapFile([{ atMicros: 5, wire: 262_144, octets }]), 100_000);
    expect([packets[0]?.octets.length, fault]).toEqual([2 * 262_144, null]);
  });

  it.each([
    [4, 1, 0, "pcap version 1.4"],
    [6, 2, 3, "pcap version 2.3"],
  ])("refuses other versions (octet %i)", (at, major, minor, words) => {
    const file = LITTLE_MICROS.slice();
    file[at] = at === 4 ? major : minor;
    const { fault } = decodeAll(file);
    expect(fault).toMatchObject({ reason: "version", offset: 0 });
    expect(fault?.detail).toContain(words);
  });

  it("tells a file that was cut short, at every octet", () => {
    const file = pcapFile([
      { atMicros: 1, wire: 5, octets: Uint8Array.of(1, 2, 3, 4, 5) },
      { atMicros: 2, wire: 0, octets: new Uint8Array(0) },
      { atMicros: 3, wire: 2, octets: Uint8Array.of(6, 7) },
    ]);
    const ends = [24, 24 + 21, 24 + 21 + 16, file.length];
    for (let length = 4; length < file.length; length++) {
      const { packets, fault } = decodeAll(file.slice(0, length), 7);
      const begun = ends.filter((end) => end <= length);
      expect(packets.length).toBe(Math.max(0, begun.length - 1));
      if (ends.includes(length)) expect(fault).toBeNull();
      else expect(fault).toMatchObject({ reason: "cut-short", offset: begun.at(-1) ?? 0 });
    }
  });
});
