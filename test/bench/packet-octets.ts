import { SEGMENT_OCTETS } from "./conversation.ts";
import type { Pieces } from "./pieces.ts";

const ETHERNET = 14;
const IPV4 = 20;
const GRE = 12;
const TCP = 20;
/** Octets of the delivery headers: Ethernet, IPv4, GRE with key and sequence number. */
export const DELIVERY_OCTETS = ETHERNET + IPV4 + GRE;
/** Octets before the TCP options: 86. */
const HEADERS = DELIVERY_OCTETS + IPV4 + TCP;
const COLLECTOR = 0xac1f0064;
const GRE_IPV4 = 0x0800;

/** A TCP segment to write; one object is used again for every packet. */
export interface Segment {
  agent: number;
  sourceAddress: number;
  destinationAddress: number;
  sourcePort: number;
  destinationPort: number;
  ipId: number;
  seq: number;
  ack: number;
  flags: number;
  /** TCP options, `optionsLength` octets of them, a multiple of 4. */
  readonly options: Uint8Array;
  readonly optionsView: DataView;
  optionsLength: number;
  /** Which piece of payload to carry; -1 for none. */
  piece: number;
}

/** A segment with nothing in it yet. */
export function newSegment(): Segment {
  const options = new Uint8Array(40);
  return {
    agent: 0,
    sourceAddress: 0,
    destinationAddress: 0,
    sourcePort: 0,
    destinationPort: 0,
    ipId: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    options,
    optionsView: new DataView(options.buffer),
    optionsLength: 0,
    piece: -1,
  };
}

/** Octets of a segment's packet on the wire, delivery headers included. */
export function wireOctets(segment: Segment): number {
  return HEADERS + segment.optionsLength + (segment.piece < 0 ? 0 : SEGMENT_OCTETS);
}

/**
 * Writes Ethernet, IPv4 and GRE headers (RFC 2890 key and sequence number) before a payload packet of so many octets,
 * DELIVERY_OCTETS from `at`: agent 0 is 172.31.0.11 with key 1, and so on.
 */
export function putDelivery(
  view: DataView,
  at: number,
  agent: number,
  number: number,
  octets: number,
  etherType = GRE_IPV4,
): void {
  view.setUint32(at, 0x02000000);
  view.setUint32(at + 4, 0x00640200);
  view.setUint32(at + 8, agent + 1);
  view.setUint16(at + 12, 0x0800);
  putIpv4(view, at + ETHERNET, IPV4 + GRE + octets, number & 0xffff, 47, 0xac1f000b + agent, COLLECTOR);
  const gre = at + ETHERNET + IPV4;
  view.setUint32(gre, 0x30000000 | etherType);
  view.setUint32(gre + 4, agent + 1);
  view.setUint32(gre + 8, number);
}

/** Writes a segment as an agent's copy, of which `captured` octets are kept, from `at` of `octets`. */
export function putPacket(
  octets: Uint8Array,
  view: DataView,
  at: number,
  segment: Segment,
  number: number,
  captured: number,
  pieces: Pieces,
): void {
  const payload = segment.piece < 0 ? 0 : SEGMENT_OCTETS;
  const tcpOctets = TCP + segment.optionsLength + payload;
  putDelivery(view, at, segment.agent, number, IPV4 + tcpOctets);
  const inner = at + DELIVERY_OCTETS;
  putIpv4(view, inner, IPV4 + tcpOctets, segment.ipId, 6, segment.sourceAddress, segment.destinationAddress);
  const tcp = inner + IPV4;
  view.setUint16(tcp, segment.sourcePort);
  view.setUint16(tcp + 2, segment.destinationPort);
  view.setUint32(tcp + 4, segment.seq);
  view.setUint32(tcp + 8, segment.ack);
  view.setUint16(tcp + 12, ((TCP + segment.optionsLength) << 10) | segment.flags);
  view.setUint16(tcp + 14, 0xffff);
  view.setUint32(tcp + 16, 0);
  for (let i = 0; i < segment.optionsLength; i++) octets[tcp + TCP + i] = segment.options[i] ?? 0;
  // The pseudo-header, RFC 9293 section 3.1: both addresses, the protocol and the length of header and payload.
  const pseudo = sum16(view, inner + 12, 8) + 6 + tcpOctets;
  const payloadSum = payload === 0 ? 0 : pieces.sum(segment.piece);
  view.setUint16(tcp + 16, checksum(pseudo + sum16(view, tcp, TCP + segment.optionsLength) + payloadSum));
  const headers = HEADERS + segment.optionsLength;
  if (captured > headers) octets.set(pieces.piece(segment.piece).subarray(0, captured - headers), at + headers);
}

function putIpv4(
  view: DataView,
  at: number,
  length: number,
  id: number,
  protocol: number,
  source: number,
  destination: number,
): void {
  view.setUint16(at, 0x4500);
  view.setUint16(at + 2, length);
  view.setUint16(at + 4, id);
  view.setUint16(at + 6, 0x4000);
  view.setUint16(at + 8, (64 << 8) | protocol);
  view.setUint16(at + 10, 0);
  view.setUint32(at + 12, source);
  view.setUint32(at + 16, destination);
  view.setUint16(at + 10, checksum(sum16(view, at, IPV4)));
}

/** Sum of 16-bit words; `length` is even. */
export function sum16(view: DataView, at: number, length: number): number {
  let sum = 0;
  for (let i = at; i < at + length; i += 2) sum += view.getUint16(i);
  return sum;
}

/** RFC 1071: folds a sum of 16-bit words and inverts it. */
export function checksum(sum: number): number {
  let folded = (sum & 0xffff) + (sum >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}
