import { sumOctets } from "../octets/octet-sum.ts";
import type { Side } from "../pipeline-contract.ts";
import { IPV4_MIN_OCTETS, IPV4_TOTAL_LENGTH, ipv4AddressAt, PROTOCOL_TCP } from "../wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, IPV6_PAYLOAD_LENGTH, ipv6AddressAt } from "../wire/ipv6.ts";
import * as tcp from "../wire/tcp.ts";
import { finishChecksum } from "../wire/transport-checksum.ts";

/** Octets of an IP packet on an ordinary Ethernet. */
const MTU = 1500;
const IPV4_CHECKSUM = 10;
/** Version, header length; no DSCP, no ECN. Don't Fragment. Hop limit and protocol. */
const IPV4_FIRST = 0x4500;
const IPV4_DONT_FRAGMENT = 0x4000;
const IPV6_FIRST = 0x60000000;
const HOP_LIMIT = 64;

const TCP_WINDOW = 14;
const WINDOW = 0xffff;
/** Maximum Segment Size (RFC 9293 §3.7.1), No-Operation, Window Scale (RFC 7323 §2.2). */
const OPTION_MSS = 0x0204;
const OPTION_NOP_SCALE = 0x010303;
const SYN_OPTIONS_OCTETS = 8;
/** The largest, so that a hole of a mirror lies inside the window: 2^30 octets. */
const SCALE = 14;

/** The two ends of a TCP connection, the initiator's first. */
export interface Ends {
  readonly isIpv6: boolean;
  /** Four words of each; of an IPv4 address the first one is it. */
  readonly addresses: readonly [Uint32Array, Uint32Array];
  readonly ports: readonly [number, number];
}

/** What a segment says besides its payload. */
export interface SegmentFields {
  readonly from: Side;
  /** Of src/wire/tcp.ts. */
  readonly flags: number;
  readonly seq: number;
  /** 0 where ACK is not among the flags. */
  readonly ack: number;
}

/** The most payload that a segment between such ends carries. */
export function mostPayload({ isIpv6 }: Ends): number {
  return MTU - tcp.TCP_MIN_OCTETS - (isIpv6 ? IPV6_HEADER_OCTETS : IPV4_MIN_OCTETS);
}

/**
 * Writes TCP segments as IP packets with right checksums (RFC 791, RFC 8200, RFC 9293 §3.1). A SYN offers the largest window;
 * nothing else has options.
 */
export class SegmentEncoder {
  private readonly octets = new Uint8Array(MTU + SYN_OPTIONS_OCTETS);
  private readonly view = new DataView(this.octets.buffer);

  /** A packet with so much payload, `mostPayload` octets at most; valid until the next call. */
  encode(ends: Ends, fields: SegmentFields, payload: Uint8Array): Uint8Array {
    const { octets, view } = this;
    const isSyn = (fields.flags & tcp.SYN) !== 0;
    const tcpOctets = tcp.TCP_MIN_OCTETS + (isSyn ? SYN_OPTIONS_OCTETS : 0);
    const at = ends.isIpv6 ? IPV6_HEADER_OCTETS : IPV4_MIN_OCTETS;
    const end = at + tcpOctets + payload.length;
    octets.set(payload, at + tcpOctets);
    this.putIp(ends, fields.from, end);
    view.setUint16(at, ends.ports[fields.from]);
    view.setUint16(at + 2, ends.ports[1 - fields.from] ?? 0);
    view.setUint32(at + tcp.TCP_SEQUENCE, fields.seq);
    view.setUint32(at + tcp.TCP_ACKNOWLEDGMENT, fields.ack);
    view.setUint8(at + tcp.TCP_DATA_OFFSET, (tcpOctets / 4) << 4);
    view.setUint8(at + tcp.TCP_FLAGS, fields.flags);
    view.setUint16(at + TCP_WINDOW, WINDOW);
    // Checksum, and no urgent data.
    view.setUint32(at + TCP_WINDOW + 2, 0);
    if (isSyn) {
      view.setUint16(at + tcp.TCP_MIN_OCTETS, OPTION_MSS);
      view.setUint16(at + tcp.TCP_MIN_OCTETS + 2, mostPayload(ends));
      view.setUint32(at + tcp.TCP_MIN_OCTETS + 4, (OPTION_NOP_SCALE << 8) | SCALE);
    }
    finishChecksum(view, 0, at, end);
    return octets.subarray(0, end);
  }

  private putIp(ends: Ends, from: Side, end: number): void {
    const { view } = this;
    const words = ends.isIpv6 ? 4 : 1;
    const addressAt = ends.isIpv6 ? ipv6AddressAt(0) : ipv4AddressAt(0);
    for (const [n, address] of [ends.addresses[from], ends.addresses[1 - from]].entries())
      for (let word = 0; word < words; word++) view.setUint32(addressAt + (n * words + word) * 4, address?.[word] ?? 0);
    if (ends.isIpv6) {
      view.setUint32(0, IPV6_FIRST);
      view.setUint16(IPV6_PAYLOAD_LENGTH, end - IPV6_HEADER_OCTETS);
      view.setUint16(6, (PROTOCOL_TCP << 8) | HOP_LIMIT);
      return;
    }
    view.setUint16(0, IPV4_FIRST);
    view.setUint16(IPV4_TOTAL_LENGTH, end);
    view.setUint32(4, IPV4_DONT_FRAGMENT);
    view.setUint16(8, (HOP_LIMIT << 8) | PROTOCOL_TCP);
    view.setUint16(IPV4_CHECKSUM, 0);
    view.setUint16(IPV4_CHECKSUM, ~sumOctets(view, 0, IPV4_MIN_OCTETS));
  }
}
