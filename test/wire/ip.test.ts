import { describe, expect, it } from "vitest";
import { type FateName, fateOf } from "../../src/fate.ts";
import { ipv4AddressAt, ipv4Identification, skipIpv4 } from "../../src/wire/ipv4.ts";
import { ipv6AddressAt, skipIpv6 } from "../../src/wire/ipv6.ts";
import { skipUdp } from "../../src/wire/udp.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

describe("IPv4 (RFC 791)", () => {
  const HEADER = `
    0000: 45 00 00 1c 12 34 40 00   | version 4, 5 words; total length 28; identification; DF
    0008: 40 06 00 00 0a 01 00 01   | TTL 64, TCP; 10.1.0.1
    0010: 0a 02 00 02               | 10.2.0.2
    0014: de ad be ef 00 00 00 00   | payload`;

  it("passes the header; identification and addresses stand where it says", () => {
    const octets = hex(HEADER);
    const { view, cursor } = over(octets);
    expect(skipIpv4(view, cursor)).toBe(0);
    expect(cursor).toEqual({ at: 20, end: 28, wireEnd: 28, protocol: 6 });
    expect(ipv4Identification(view, 0)).toBe(0x1234);
    expect(view.getUint32(ipv4AddressAt(0))).toBe(0x0a010001);
    expect(view.getUint32(ipv4AddressAt(0) + 4)).toBe(0x0a020002);
  });

  it("passes options", () => {
    const octets = hex("46 00 0018 0000 0000 40 11 0000 0a010001 0a020002 | options follow\n 01010100");
    const { view, cursor } = over(octets);
    expect(skipIpv4(view, cursor)).toBe(0);
    expect(cursor).toMatchObject({ at: 24, protocol: 17 });
  });

  it("cuts padding off, and keeps what was on the wire of a cut copy", () => {
    const padded = Uint8Array.from([...hex(HEADER), 0, 0, 0, 0]);
    const whole = over(padded);
    skipIpv4(whole.view, whole.cursor);
    expect(whole.cursor).toMatchObject({ end: 28, wireEnd: 28 });
    const cut = over(hex(HEADER).slice(0, 24), 24);
    skipIpv4(cut.view, cut.cursor);
    expect(cut.cursor).toMatchObject({ end: 24, wireEnd: 28 });
  });

  it("a total length of 0 is a super-packet: as long as it was captured", () => {
    const octets = hex(HEADER);
    octets.set([0, 0], 2);
    const { view, cursor } = over(octets, 60_000);
    expect(skipIpv4(view, cursor)).toBe(0);
    expect(cursor).toMatchObject({ end: 28, wireEnd: 60_000 });
  });

  it("a total length of 0 and a wire length that no host's packet has: as long as it was captured", () => {
    const octets = hex(HEADER);
    octets.set([0, 0], 2);
    const { view, cursor } = over(octets, 0xffffffff);
    expect(skipIpv4(view, cursor)).toBe(0);
    expect(cursor).toMatchObject({ end: 28, wireEnd: 28 });
  });

  it.each<[name: string, at: number, octets: number[], length: number, fate: FateName]>([
    ["19 octets", 0, [], 19, "decapsulate/ipv4-truncated"],
    ["version 6", 0, [0x65], 28, "decapsulate/ipv4-malformed"],
    ["4 words", 0, [0x44], 28, "decapsulate/ipv4-malformed"],
    ["options that were cut off", 0, [0x4f, 0, 0, 60], 28, "decapsulate/ipv4-truncated"],
    ["a total length below the header's", 2, [0, 19], 28, "decapsulate/ipv4-malformed"],
    ["More Fragments", 6, [0x20, 0], 28, "decapsulate/fragment"],
    ["a fragment offset", 6, [0x00, 1], 28, "decapsulate/fragment"],
  ])("%s", (_, at, set, length, fate) => {
    const octets = hex(HEADER);
    octets.set(set, at);
    const { view, cursor } = over(octets.slice(0, length));
    expect(skipIpv4(view, cursor)).toBe(fateOf(fate));
  });
});

describe("IPv6 (RFC 8200)", () => {
  const ENDS = "20010db8000000000000000000000001 20010db8000000000000000000000002";
  const header = (nextHeader: string, length: string, rest: string): Uint8Array<ArrayBuffer> =>
    hex(`60000000 ${length} ${nextHeader} 40 ${ENDS} ${rest}`);

  it.each<[name: string, octets: Uint8Array<ArrayBuffer>, at: number, protocol: number]>([
    ["no extension header", header("06", "0004", "deadbeef"), 40, 6],
    ["hop-by-hop options", header("00", "0008", "06 00 050200000100"), 48, 6],
    ["routing header of 24 octets", header("2b", "0018", `11 02 ${"00".repeat(22)}`), 64, 17],
    ["authentication header (length in words less 2)", header("33", "0010", `06 02 ${"00".repeat(14)}`), 56, 6],
    ["a fragment header around a whole packet (RFC 6946)", header("2c", "0008", "06 00 0000 00000007"), 48, 6],
    ["destination options", header("3c", "0008", "11 00 010400000000"), 48, 17],
    ["two of them", header("00", "0010", `3c 00 ${"00".repeat(6)} 2f 00 ${"00".repeat(6)}`), 56, 47],
  ])("%s", (_, octets, at, protocol) => {
    const { view, cursor } = over(octets);
    expect(skipIpv6(view, cursor)).toBe(0);
    expect(cursor).toMatchObject({ at, protocol, end: octets.length, wireEnd: octets.length });
    expect(view.getUint32(ipv6AddressAt(0))).toBe(0x20010db8);
  });

  it("cuts padding off; a payload length of 0 is as long as it was captured", () => {
    const padded = over(header("06", "0002", "dead beef"));
    skipIpv6(padded.view, padded.cursor);
    expect(padded.cursor).toMatchObject({ end: 42, wireEnd: 42 });
    const jumbo = over(header("06", "0000", "dead beef"), 70_000);
    skipIpv6(jumbo.view, jumbo.cursor);
    expect(jumbo.cursor).toMatchObject({ end: 44, wireEnd: 70_000 });
    const impossible = over(header("06", "0000", "dead beef"), 0xffffffff);
    skipIpv6(impossible.view, impossible.cursor);
    expect(impossible.cursor).toMatchObject({ end: 44, wireEnd: 44 });
  });

  it.each<[name: string, octets: Uint8Array<ArrayBuffer>, fate: FateName]>([
    ["39 octets", header("06", "0000", "").slice(0, 39), "decapsulate/ipv6-truncated"],
    ["version 4", hex(`40${"00".repeat(39)}`), "decapsulate/ipv6-malformed"],
    ["a fragment header", header("2c", "0008", "06 00 0001 00000001"), "decapsulate/fragment"],
    ["cut in an extension header", header("00", "0010", "06 01 00000000 0000"), "decapsulate/ipv6-truncated"],
    ["cut before an extension header", header("00", "0008", "06 00"), "decapsulate/ipv6-truncated"],
    ["nine extension headers", header("3c", "0048", `3c00${"00".repeat(6)}`.repeat(9)), "decapsulate/ipv6-malformed"],
  ])("%s", (_, octets, fate) => {
    const { view, cursor } = over(octets);
    expect(skipIpv6(view, cursor)).toBe(fateOf(fate));
  });
});

describe("UDP (RFC 768)", () => {
  it("passes the header; the destination port comes next", () => {
    const { view, cursor } = over(hex("c000 1292 000a 0000 | 49152 to 4754\n 0000"));
    expect(skipUdp(view, cursor)).toBe(0);
    expect(cursor).toEqual({ at: 8, end: 10, wireEnd: 10, protocol: 4754 });
  });

  it.each<[name: string, dump: string, wire: number | undefined, end: number, wireEnd: number]>([
    ["padding behind the datagram is cut off", "c000 1292 000a 0000 0800 ffff", undefined, 10, 10],
    ["no length, as in a super-packet", "c000 1292 0000 0000 0800", 60_000, 10, 60_000],
    ["a copy that was cut", "c000 1292 0400 0000 0800", 1024, 10, 1024],
  ])("%s", (_, dump, wire, end, wireEnd) => {
    const { view, cursor } = over(hex(dump), wire);
    expect(skipUdp(view, cursor)).toBe(0);
    expect(cursor).toMatchObject({ at: 8, end, wireEnd });
  });

  it.each<[name: string, dump: string, fate: FateName]>([
    ["7 octets", "c000 1292 0010 00", "decapsulate/udp-truncated"],
    ["a length of 7", "c000 1292 0007 0000", "decapsulate/udp-malformed"],
    ["an octet more than the packet has", "c000 1292 000b 0000 0800", "decapsulate/udp-malformed"],
  ])("%s", (_, dump, fate) => {
    const { view, cursor } = over(hex(dump));
    expect(skipUdp(view, cursor)).toBe(fateOf(fate));
  });
});
