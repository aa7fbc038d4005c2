import { IPV4_MIN_OCTETS } from "../../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS } from "../../../src/wire/ipv6.ts";
import { UDP_HEADER_OCTETS } from "../../../src/wire/udp.ts";
import { AF_INET, IPV4_ADDRESS_AT, IPV6_ADDRESS_AT, PORT_AT } from "../../linux/socket-address.ts";

/** Octets of the delivery header of a UDP datagram over IPv4. */
export const IPV4_UDP_OCTETS = IPV4_MIN_OCTETS + UDP_HEADER_OCTETS;
const IPV6_UDP_OCTETS = IPV6_HEADER_OCTETS + UDP_HEADER_OCTETS;

/** Version 4 and five words of header; hop limit 64 and protocol UDP. */
const IPV4_FIRST = 0x4500;
const LIMIT_PROTOCOL = 0x4011;
const PROTOCOL_LIMIT = 0x1140;

/** Third word of an IPv4 address at a socket of both families, ::ffff:192.0.2.1 (RFC 4291 §2.5.5.2). */
const MAPPED = 0xffff;

/**
 * Writes the delivery header of a UDP datagram of `length` octets to `port`, so that it ends at `end` of `view`: octet for
 * octet the one that `DeliveryHeaders` makes. The sender is the socket address at `nameAt` of `names`. Returns how many
 * octets it has: IPV4_UDP_OCTETS, or more for IPv6.
 */
export function writeUdpDelivery(
  view: DataView,
  end: number,
  names: DataView,
  nameAt: number,
  length: number,
  port: number,
): number {
  const udp = end - UDP_HEADER_OCTETS;
  const udpLength = UDP_HEADER_OCTETS + length;
  view.setUint16(udp, names.getUint16(nameAt + PORT_AT));
  view.setUint16(udp + 2, port);
  view.setUint16(udp + 4, udpLength);
  view.setUint16(udp + 6, 0);
  if ((names.getUint8(nameAt) | names.getUint8(nameAt + 1)) === AF_INET) {
    writeIpv4(view, udp - IPV4_MIN_OCTETS, names.getUint32(nameAt + IPV4_ADDRESS_AT), udpLength);
    return IPV4_UDP_OCTETS;
  }
  const address = nameAt + IPV6_ADDRESS_AT;
  const first = names.getUint32(address);
  const second = names.getUint32(address + 4);
  const third = names.getUint32(address + 8);
  const fourth = names.getUint32(address + 12);
  if (first === 0 && second === 0 && third === MAPPED) {
    writeIpv4(view, udp - IPV4_MIN_OCTETS, fourth, udpLength);
    return IPV4_UDP_OCTETS;
  }
  const ip = udp - IPV6_HEADER_OCTETS;
  view.setUint32(ip, 0x60000000);
  view.setUint16(ip + 4, udpLength);
  view.setUint16(ip + 6, PROTOCOL_LIMIT);
  view.setUint32(ip + 8, first);
  view.setUint32(ip + 12, second);
  view.setUint32(ip + 16, third);
  view.setUint32(ip + 20, fourth);
  for (let at = ip + 24; at < udp; at += 4) view.setUint32(at, 0);
  return IPV6_UDP_OCTETS;
}

function writeIpv4(view: DataView, ip: number, source: number, udpLength: number): void {
  const total = IPV4_MIN_OCTETS + udpLength;
  let sum = IPV4_FIRST + total + LIMIT_PROTOCOL + (source >>> 16) + (source & 0xffff);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(ip, IPV4_FIRST);
  view.setUint16(ip + 2, total);
  view.setUint32(ip + 4, 0);
  view.setUint16(ip + 8, LIMIT_PROTOCOL);
  view.setUint16(ip + 10, ~sum & 0xffff);
  view.setUint32(ip + 12, source);
  view.setUint32(ip + 16, 0);
}
