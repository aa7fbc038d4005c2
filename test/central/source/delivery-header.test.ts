import { expect, test } from "vitest";
import { DeliveryHeaders } from "../../../collectors/central/source/delivery-header.ts";
import { LINKTYPE_IPV4, LINKTYPE_IPV6 } from "../../../src/wire/link-type.ts";

const hex = (octets: Uint8Array) =>
  Buffer.from(octets)
    .toString("hex")
    .replace(/(.{8})(?=.)/g, "$1 ");

test("IPv4 and UDP", () => {
  const { header, linkType } = new DeliveryHeaders(17, 4754).of("192.0.2.1", 0xc001, 100);
  expect(linkType).toBe(LINKTYPE_IPV4);
  // 0000  45 00 00 80 00 00 00 00  40 11 b8 6c c0 00 02 01   version 4, total length 128, TTL 64, UDP, checksum
  // 0010  00 00 00 00 c0 01 12 92  00 6c 00 00               ports 49153 and 4754, length 108, no checksum
  expect(hex(header)).toBe("45000080 00000000 4011b86c c0000201 00000000 c0011292 006c0000");
});

test("the checksum of IPv4 is right for every length", () => {
  const headers = new DeliveryHeaders(17);
  for (let length = 0; length <= 65_507; length += 13) {
    const { header } = headers.of("255.254.253.252", 1, length);
    let sum = 0;
    for (let at = 0; at < 20; at += 2) sum += ((header[at] ?? 0) << 8) | (header[at + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    expect(sum).toBe(0xffff);
  }
});

test.each([
  ["2001:db8::ff00:42:8329", "20010db8 00000000 0000ff00 00428329"],
  ["fe80::1%eth0", "fe800000 00000000 00000000 00000001"],
  ["not an address", "00000000 00000000 00000000 00000000"],
])("IPv6 without UDP: %s", (address, source) => {
  const { header, linkType } = new DeliveryHeaders(47).of(address, 0, 24);
  expect(linkType).toBe(LINKTYPE_IPV6);
  expect(hex(header)).toBe(`60000000 00182f40 ${source} 00000000 00000000 00000000 00000000`);
});

test("an IPv4 sender at a socket of both families is an IPv4 sender", () => {
  const { header, linkType } = new DeliveryHeaders(17).of("::ffff:127.0.0.1", 1, 0);
  expect(linkType).toBe(LINKTYPE_IPV4);
  expect(hex(header.subarray(12, 16))).toBe("7f000001");
});

test("more senders than are remembered", () => {
  const headers = new DeliveryHeaders(17);
  for (let n = 0; n < 3000; n++) {
    const { header } = headers.of(`10.0.${n >> 8}.${n & 255}`, 1, 0);
    expect([header[14], header[15]]).toEqual([n >> 8, n & 255]);
  }
});
