import { sumOctets } from "../octets/octet-sum.ts";
import { OFFLOAD_CHECKSUM, type PacketVector } from "../vector.ts";
import { IPV4_TOTAL_LENGTH } from "../wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, IPV6_PAYLOAD_LENGTH } from "../wire/ipv6.ts";
import { FIN, PSH, TCP_DATA_OFFSET, TCP_FLAGS, TCP_SEQUENCE } from "../wire/tcp.ts";

const CWR = 0x80;
/** Where fields of IPv4 stand: identification and checksum. */
const IPV4_ID = 4;
const IPV4_CHECKSUM = 10;

/** Where a segment has its payload, relative to that of its super-packet, and how long that is on the wire. */
export interface Segment {
  readonly offset: number;
  readonly length: number;
}

/** Packets on the wire that packet i stands for: 1, or more for a super-packet that offload made of a run of segments. */
export function segmentsOf(vector: PacketVector, i: number): number {
  const size = (vector.offload[i] ?? 0) & 0xffff;
  const payload = vector.payloadLength[i] ?? 0;
  return size === 0 || payload <= size || vector.hasCutOptions(i) ? 1 : Math.ceil(payload / size);
}

/** Segment `n` of packet i. */
export function segmentAt(vector: PacketVector, i: number, n: number): Segment {
  const size = (vector.offload[i] ?? 0) & 0xffff;
  const offset = n * size;
  return { offset, length: Math.min(size, (vector.payloadLength[i] ?? 0) - offset) };
}

/**
 * Makes a copy of a super-packet's headers those of one segment, as the network card that sends it would (and as the one
 * that received it found them, but for the identification of IPv4, which is counted on). The packet begins at `ip`, its TCP
 * header at `tcp`; `segment` is number `n` of `count`.
 */
export function rewriteSegment(
  view: DataView,
  ip: number,
  tcp: number,
  segment: Segment,
  n: number,
  count: number,
): void {
  const headers = ((view.getUint8(tcp + TCP_DATA_OFFSET) >> 4) << 2) + tcp - ip;
  const isIpv4 = view.getUint8(ip) >> 4 === 4;
  const length = headers + segment.length;
  if (isIpv4) {
    view.setUint16(ip + IPV4_TOTAL_LENGTH, length);
    view.setUint16(ip + IPV4_ID, view.getUint16(ip + IPV4_ID) + n);
    view.setUint16(ip + IPV4_CHECKSUM, 0);
    view.setUint16(ip + IPV4_CHECKSUM, ~sumOctets(view, ip, (view.getUint8(ip) & 0x0f) * 4));
  } else view.setUint16(ip + IPV6_PAYLOAD_LENGTH, length - IPV6_HEADER_OCTETS);
  view.setUint32(tcp + TCP_SEQUENCE, view.getUint32(tcp + TCP_SEQUENCE) + segment.offset);
  let flags = view.getUint8(tcp + TCP_FLAGS);
  if (n > 0) flags &= ~CWR;
  if (n < count - 1) flags &= ~(FIN | PSH);
  view.setUint8(tcp + TCP_FLAGS, flags);
}

/** Whether the copies of packet i need their TCP checksum made: the kernel left it to a network card. */
export function isUnfinished(vector: PacketVector, i: number): boolean {
  const offload = vector.offload[i] ?? 0;
  return (offload & OFFLOAD_CHECKSUM) !== 0 || segmentsOf(vector, i) > 1;
}
