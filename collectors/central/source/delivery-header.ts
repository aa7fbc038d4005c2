import { parseAddress } from "../../../src/wire/address.ts";
import { IPV4_MIN_OCTETS, PROTOCOL_UDP } from "../../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS } from "../../../src/wire/ipv6.ts";
import { LINKTYPE_IPV4, LINKTYPE_IPV6 } from "../../../src/wire/link-type.ts";
import { UDP_HEADER_OCTETS } from "../../../src/wire/udp.ts";

/** Senders remembered; when there are more, all are forgotten and met anew. Makes forged senders cost time, not memory. */
const MAX_SENDERS = 1024;

const HOP_LIMIT = 64;

/** The header of one sender's packets, of which only lengths and ports change. */
interface Sender {
  readonly linkType: number;
  readonly header: Uint8Array;
  readonly view: DataView;
  /** IPv4: ones-complement sum of the header's constant octets. */
  readonly sum: number;
}

/**
 * Makes again the outer headers that a socket keeps to itself, so that a datagram looks as it would in a capture: IPv4
 * or IPv6 with the sender's address, and for UDP its header. The destination is left all zeros (the socket was
 * not asked which address it was); the destination port is the one that is assigned to the encapsulation, whichever the
 * socket listens on; the UDP checksum is 0, none, as RFC 8086 §6.2 allows.
 */
export class DeliveryHeaders {
  private readonly protocol: number;
  private readonly port: number;
  private readonly senders = new Map<string, Sender>();

  /** `protocol` is the IP protocol number that the socket delivers; `port` the destination port of UDP's header. */
  constructor(protocol: number, port = 0) {
    this.protocol = protocol;
    this.port = port;
  }

  /**
   * The header before a datagram of `length` octets, and its LINKTYPE_. Text that is no address counts as `::`, which
   * nobody may be. The returned header is reused: it is good until the next call.
   */
  of(address: string, sourcePort: number, length: number): Sender {
    const sender = this.senders.get(address) ?? this.meet(address);
    const { header, view } = sender;
    if (sender.linkType === LINKTYPE_IPV4) {
      const total = header.length + length;
      let sum = sender.sum + total;
      sum = (sum & 0xffff) + (sum >>> 16);
      sum = (sum & 0xffff) + (sum >>> 16);
      view.setUint16(2, total);
      view.setUint16(10, ~sum & 0xffff);
    } else {
      view.setUint16(4, header.length - IPV6_HEADER_OCTETS + length);
    }
    if (this.protocol === PROTOCOL_UDP) {
      const udpAt = header.length - UDP_HEADER_OCTETS;
      view.setUint16(udpAt, sourcePort);
      view.setUint16(udpAt + 2, this.port);
      view.setUint16(udpAt + 4, UDP_HEADER_OCTETS + length);
    }
    return sender;
  }

  private meet(address: string): Sender {
    const udp = this.protocol === PROTOCOL_UDP ? UDP_HEADER_OCTETS : 0;
    // A socket of both families writes an IPv4 sender as ::ffff:192.0.2.1, and a link-local one with its zone, %eth0.
    const text = address.replace(/^::ffff:(?=.*\.)/, "").replace(/%.*$/, "");
    const { family, words } = parseAddress(text) ?? { family: 6, words: [0, 0, 0, 0] };
    const header = new Uint8Array((family === 4 ? IPV4_MIN_OCTETS : IPV6_HEADER_OCTETS) + udp);
    const view = new DataView(header.buffer);
    let sum = 0;
    if (family === 4) {
      header[0] = 0x45;
      header[8] = HOP_LIMIT;
      header[9] = this.protocol;
      view.setUint32(12, words[0] ?? 0);
      for (let at = 0; at < IPV4_MIN_OCTETS; at += 2) sum += view.getUint16(at);
    } else {
      header[0] = 0x60;
      header[6] = this.protocol;
      header[7] = HOP_LIMIT;
      for (const [i, word] of words.entries()) view.setUint32(8 + i * 4, word);
    }
    const sender = { linkType: family === 4 ? LINKTYPE_IPV4 : LINKTYPE_IPV6, header, view, sum };
    if (this.senders.size >= MAX_SENDERS) this.senders.clear();
    this.senders.set(address, sender);
    return sender;
  }
}
