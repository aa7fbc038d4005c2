import fc from "fast-check";
import { expect, test } from "vitest";
import { DeliveryHeaders } from "../../../collectors/central/source/delivery-header.ts";
import { IPV4_UDP_OCTETS, writeUdpDelivery } from "../../../collectors/central/source/udp-delivery.ts";
import type { Libc } from "../../../collectors/linux/libc.ts";
import { socketAddress } from "../../../collectors/linux/socket-address.ts";

/** All that is asked of it is the number of a link-local address's interface. */
const libc = { interfaceIndex: () => 7 } as unknown as Libc;

const octet = fc.nat(255);
const ipv4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join("."));
const ipv6 = fc
  .array(fc.nat(0xffff), { minLength: 8, maxLength: 8 })
  // ::ffff:a.b.c.d is the other property's.
  .filter((groups) => groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff)
  .map((groups) => groups.map((group) => group.toString(16)).join(":"));
const port = fc.nat(65_535);
const length = fc.nat(65_507);

/** What is written before octet 100 of a block that was not empty. */
function written(address: string, fromPort: number, datagram: number, port = 4754): Uint8Array {
  const names = socketAddress(libc, address, fromPort);
  if (names === null) throw new Error(`${address} is no address`);
  const block = new Uint8Array(200).fill(0xee);
  const octets = writeUdpDelivery(new DataView(block.buffer), 100, new DataView(names.buffer), 0, datagram, port);
  expect(block.subarray(0, 100 - octets)).toEqual(new Uint8Array(100 - octets).fill(0xee));
  expect(block.subarray(100)).toEqual(new Uint8Array(100).fill(0xee));
  return block.subarray(100 - octets, 100);
}

test("IPv4, octet for octet", () => {
  // 0000  45 00 00 80 00 00 00 00  40 11 b8 6c c0 00 02 01   version 4, total length 128, TTL 64, UDP, checksum
  // 0010  00 00 00 00 c0 01 12 92  00 6c 00 00               ports 49153 and 4754, length 108, no checksum
  expect(Buffer.from(written("192.0.2.1", 0xc001, 100)).toString("hex")).toBe(
    "45000080000000004011b86cc000020100000000c0011292006c0000",
  );
});

test("is what is made of the sender's text, whoever sends and however much", () => {
  fc.assert(
    fc.property(fc.oneof(ipv4, ipv6), port, length, port, (address, fromPort, datagram, toPort) => {
      const { header } = new DeliveryHeaders(17, toPort).of(address, fromPort, datagram);
      expect(written(address, fromPort, datagram, toPort)).toEqual(header);
    }),
  );
});

test("an IPv4 sender at a socket of both families is an IPv4 sender", () => {
  fc.assert(
    fc.property(ipv4, port, length, (address, fromPort, datagram) => {
      const octets = written(`::ffff:${address}`, fromPort, datagram);
      expect(octets).toHaveLength(IPV4_UDP_OCTETS);
      expect(octets).toEqual(written(address, fromPort, datagram));
    }),
  );
});

test("a link-local sender's zone is in the socket address only", () => {
  const names = socketAddress(libc, "fe80::1%eth0", 4754);
  // Family aside, which is in the machine's order: port, flow, address, and the interface's number.
  expect(Buffer.from(names ?? []).toString("hex", 2, 24)).toBe("129200000000fe800000000000000000000000000001");
  expect(new Uint32Array(names?.buffer ?? new ArrayBuffer(0))[6]).toBe(7);
  expect(socketAddress(libc, "not an address", 1)).toBeNull();
});
