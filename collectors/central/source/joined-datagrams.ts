import { FATE_ALIVE } from "../../../src/fate.ts";
import { PacketVector } from "../../../src/vector.ts";
import { Cursor } from "../../../src/wire/cursor.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, skipEthernet } from "../../../src/wire/ethernet.ts";
import { PROTOCOL_UDP, skipIpv4 } from "../../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, skipIpv6 } from "../../../src/wire/ipv6.ts";
import { skipUdp } from "../../../src/wire/udp.ts";
import type { TakeVector } from "./arrivals.ts";

const IPV4_TOTAL_LENGTH = 2;
const IPV6_PAYLOAD_LENGTH = 4;
const UDP_LENGTH = 4;
const SEGMENT = 0xffff;
/** More than the longest packet of a ring, taken apart, with the headers of each datagram. */
const BLOCK_OCTETS = 2 ** 20;

/**
 * Takes apart what a ring shows as one packet although it is several datagrams: those that an agent of the same host sent
 * together (udp(7), UDP_SEGMENT), or that the card or the kernel joined when they arrived (UDP_GRO). Each datagram gets
 * the delivery headers of its packet, with lengths of its own.
 */
export class JoinedDatagrams {
  private readonly take: TakeVector;
  private readonly cursor = new Cursor();
  private readonly parts = new PacketVector();
  private readonly block = new Uint8Array(BLOCK_OCTETS);
  private filled = 0;

  /** @param take is handed every vector, of whole datagrams */
  constructor(take: TakeVector) {
    this.take = take;
  }

  /** Hands a ring's vector on: as it is where no packet is several datagrams, which is the rule. */
  pass(vector: PacketVector): void {
    let joined = false;
    for (let i = 0; i < vector.length; i++) joined ||= ((vector.offload[i] ?? 0) & SEGMENT) !== 0;
    if (!joined) {
      this.take(vector);
      return;
    }
    this.parts.use(this.block);
    this.filled = 0;
    for (let i = 0; i < vector.length; i++) this.part(vector, i);
    this.handOn();
  }

  private part(vector: PacketVector, i: number): void {
    const { cursor } = this;
    const { view } = vector;
    const at = vector.at[i] ?? 0;
    const octets = vector.captured[i] ?? 0;
    const size = (vector.offload[i] ?? 0) & SEGMENT;
    cursor.at = at;
    cursor.end = at + octets;
    cursor.wireEnd = at + (vector.wire[i] ?? 0);
    if (size === 0 || skipEthernet(view, cursor) !== FATE_ALIVE)
      return void this.add(vector, i, at + octets, octets, octets);
    const ipAt = cursor.at;
    const { protocol } = cursor;
    const skipped =
      protocol === ETHERTYPE_IPV4 ? skipIpv4(view, cursor) : protocol === ETHERTYPE_IPV6 ? skipIpv6(view, cursor) : -1;
    const udpAt = cursor.at;
    if (skipped !== FATE_ALIVE || cursor.protocol !== PROTOCOL_UDP || skipUdp(view, cursor) !== FATE_ALIVE) {
      return void this.add(vector, i, at + octets, octets, octets);
    }
    const headers = cursor.at - at;
    const { end } = cursor;
    for (let from = cursor.at; from < end; from += size) {
      const length = headers + Math.min(size, end - from);
      const copy = this.add(vector, i, from, headers, length);
      const own = this.parts.view;
      const ip = copy + ipAt - at;
      if (protocol === ETHERTYPE_IPV4) own.setUint16(ip + IPV4_TOTAL_LENGTH, copy + length - ip);
      else own.setUint16(ip + IPV6_PAYLOAD_LENGTH, copy + length - ip - IPV6_HEADER_OCTETS);
      own.setUint16(copy + udpAt - at + UDP_LENGTH, length - (udpAt - at));
    }
  }

  /**
   * Adds a packet of `length` octets: the first `headers` of packet i, then what stands from `from` on. Returns where it
   * begins. Of a packet that stays whole all octets are headers.
   */
  private add(vector: PacketVector, i: number, from: number, headers: number, length: number): number {
    const { parts, block } = this;
    if (parts.full || this.filled + length > BLOCK_OCTETS) this.handOn();
    const copy = this.filled;
    const at = vector.at[i] ?? 0;
    block.set(vector.block.subarray(at, at + headers), copy);
    block.set(vector.block.subarray(from, from + length - headers), copy + headers);
    const wire = headers === length ? (vector.wire[i] ?? 0) : length;
    parts.add(copy, length, wire, vector.atMicros[i] ?? 0, vector.linkType[i] ?? 0, vector.source[i] ?? 0);
    this.filled += length;
    return copy;
  }

  private handOn(): void {
    if (this.parts.length > 0) this.take(this.parts);
    this.parts.clear();
    this.filled = 0;
  }
}
