import { folded, sumOctets } from "../octets/octet-sum.ts";
import type { PacketVector } from "../vector.ts";
import { IPV4_MIN_OCTETS, IPV4_PROTOCOL, ipv4AddressAt, PROTOCOL_TCP, PROTOCOL_UDP } from "./ipv4.ts";
import { IPV6_HEADER_OCTETS, IPV6_NEXT_HEADER, ipv6AddressAt } from "./ipv6.ts";
import { TCP_MIN_OCTETS } from "./tcp.ts";
import { UDP_HEADER_OCTETS, UDP_LENGTH } from "./udp.ts";

const UDP_CHECKSUM = 6;
const TCP_CHECKSUM = 16;

/**
 * Whether the TCP or UDP checksum of a whole IP packet of `wire` octets is right (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1); null
 * where it says nothing: neither of the two, a UDP datagram without one, a copy that was cut, or an IPv4 header with options,
 * of which one can name another destination.
 */
export function isTransportSound(octets: Uint8Array, wire: number): boolean | null {
  if (octets.length < wire || wire < IPV4_MIN_OCTETS) return null;
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const isIpv4 = view.getUint8(0) >> 4 === 4;
  if (isIpv4 && (view.getUint8(0) & 0xf) * 4 !== IPV4_MIN_OCTETS) return null;
  const at = isIpv4 ? IPV4_MIN_OCTETS : IPV6_HEADER_OCTETS;
  const length = wire - at;
  const protocol = view.getUint8(isIpv4 ? IPV4_PROTOCOL : IPV6_NEXT_HEADER);
  if (protocol === PROTOCOL_UDP) {
    if (length < UDP_HEADER_OCTETS || view.getUint16(at + UDP_LENGTH) !== length) return null;
    if (view.getUint16(at + UDP_CHECKSUM) === 0) return null;
  } else if (protocol !== PROTOCOL_TCP || length < TCP_MIN_OCTETS) return null;
  return summed(view, isIpv4, isIpv4 ? ipv4AddressAt(0) : ipv6AddressAt(0), protocol, at, length) === 0xffff;
}

/**
 * The same of the TCP segment of packet i, which was decoded; null where it was cut. It is wrong, too, where the copy was taken
 * before an interface finished it.
 */
export function isSegmentSound(vector: PacketVector, i: number): boolean | null {
  const { view, family, addressAt, tcpAt, payloadAt, payloadLength, payloadCaptured } = vector;
  if (payloadCaptured[i] !== payloadLength[i] || vector.hasCutOptions(i)) return null;
  const [at, data, octets, addresses] = [tcpAt[i] ?? 0, payloadAt[i] ?? 0, payloadLength[i] ?? 0, addressAt[i] ?? 0];
  return summed(view, family[i] === 4, addresses, PROTOCOL_TCP, at, data - at + octets) === 0xffff;
}

/** Makes the TCP checksum (RFC 9293 §3.1) of a packet that is all there: it begins at `ip`, TCP at `tcp`, and ends at `end`. */
export function finishChecksum(view: DataView, ip: number, tcp: number, end: number): void {
  const isIpv4 = view.getUint8(ip) >> 4 === 4;
  view.setUint16(tcp + TCP_CHECKSUM, 0);
  const addresses = isIpv4 ? ipv4AddressAt(ip) : ipv6AddressAt(ip);
  view.setUint16(tcp + TCP_CHECKSUM, ~summed(view, isIpv4, addresses, PROTOCOL_TCP, tcp, end - tcp));
}

/**
 * The folded sum of a segment or datagram of `length` octets with its pseudo-header, whose addresses stand at `addressAt`; 0xffff
 * where its checksum is right.
 */
function summed(
  view: DataView,
  isIpv4: boolean,
  addressAt: number,
  protocol: number,
  at: number,
  length: number,
): number {
  const addresses = sumOctets(view, addressAt, isIpv4 ? 8 : 32);
  return folded(addresses + protocol + length + sumOctets(view, at, length));
}
