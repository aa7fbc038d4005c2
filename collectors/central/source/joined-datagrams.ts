import { FATE_ALIVE } from "../../../src/fate.ts";
import { OFFLOAD_DATAGRAMS, type PacketVector, VECTOR_LENGTH } from "../../../src/vector.ts";
import { Cursor } from "../../../src/wire/cursor.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, skipEthernet } from "../../../src/wire/ethernet.ts";
import { IPV4_TOTAL_LENGTH, PROTOCOL_UDP, skipIpv4 } from "../../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, IPV6_PAYLOAD_LENGTH, skipIpv6 } from "../../../src/wire/ipv6.ts";
import { skipUdp, UDP_LENGTH } from "../../../src/wire/udp.ts";
import type { TakeVector } from "./arrivals.ts";

const SEGMENT = 0xffff;
/** As many does Linux join at most (UDP_MAX_SEGMENTS). */
const MAX_DATAGRAMS = 128;
/** More than the longest packet of a ring, taken apart, with the headers of each datagram. */
const BLOCK_OCTETS = 2 ** 20;

/**
 * Takes apart what a ring shows as one packet although it is several datagrams: those that an agent of the same host sent
 * together (udp(7), UDP_SEGMENT), or that the card or the kernel joined when they arrived (UDP_GRO). Each datagram gets
 * the delivery headers of its packet, with lengths of its own; their checksums, which nobody verifies, stay.
 */
export class JoinedDatagrams {
  private readonly take: TakeVector;
  private readonly cursor = new Cursor();
  private readonly block = new Uint8Array(BLOCK_OCTETS);
  private filled = 0;
  /** The ring's packets, while their parts take their places in the vector. */
  private readonly at = new Uint32Array(VECTOR_LENGTH);
  private readonly captured = new Uint32Array(VECTOR_LENGTH);
  private readonly wire = new Uint32Array(VECTOR_LENGTH);
  private readonly offload = new Uint32Array(VECTOR_LENGTH);
  private readonly atMicros = new Float64Array(VECTOR_LENGTH);

  /** @param take is handed every vector, of whole datagrams */
  constructor(take: TakeVector) {
    this.take = take;
  }

  /** Hands a ring's vector on: as it is where no packet is several datagrams, which is the rule. Afterwards it is empty. */
  pass(vector: PacketVector): void {
    let joined = false;
    for (let i = 0; i < vector.length; i++) joined ||= this.isJoined(vector.offload[i] ?? 0);
    if (joined) this.partAll(vector);
    else this.take(vector);
    vector.clear();
  }

  private isJoined(offload: number): boolean {
    return (offload & OFFLOAD_DATAGRAMS) !== 0 && (offload & SEGMENT) !== 0;
  }

  private partAll(vector: PacketVector): void {
    const { block, view, length } = vector;
    for (const column of ["at", "captured", "wire", "offload", "atMicros"] as const) this[column].set(vector[column]);
    const [linkType = 0, source = 0] = [vector.linkType[0], vector.source[0]];
    vector.use(this.block);
    this.filled = 0;
    for (let i = 0; i < length; i++) this.part({ vector, block, view, i, linkType, source });
    this.handOn(vector);
    vector.use(block);
  }

  private part(packet: JoinedPacket): void {
    const { cursor } = this;
    const { view, i } = packet;
    const at = this.at[i] ?? 0;
    const captured = this.captured[i] ?? 0;
    const ipAt = this.isJoined(this.offload[i] ?? 0) ? this.findUdp(view, i) : -1;
    const udpAt = cursor.at;
    const size = (this.offload[i] ?? 0) & SEGMENT;
    const isRun = ipAt >= 0 && skipUdp(view, cursor) === FATE_ALIVE;
    if (!isRun || cursor.wireEnd - cursor.at > size * MAX_DATAGRAMS) {
      this.add(packet, captured, at + captured, 0, this.wire[i] ?? 0);
      return;
    }
    const headers = cursor.at - at;
    const isIpv4 = view.getUint8(ipAt) >> 4 === 4;
    for (let from = cursor.at; from < cursor.wireEnd; from += size) {
      const wire = Math.min(size, cursor.wireEnd - from);
      const octets = Math.min(wire, Math.max(0, cursor.end - from));
      const copy = this.add(packet, headers, from, octets, headers + wire);
      const own = packet.vector.view;
      const ipOctets = at + headers - ipAt + wire;
      if (isIpv4) own.setUint16(copy + ipAt - at + IPV4_TOTAL_LENGTH, ipOctets);
      else own.setUint16(copy + ipAt - at + IPV6_PAYLOAD_LENGTH, ipOctets - IPV6_HEADER_OCTETS);
      own.setUint16(copy + udpAt - at + UDP_LENGTH, at + headers - udpAt + wire);
    }
  }

  /** Leaves the cursor before the UDP header of packet i and returns where its IP header begins, -1 where it has none. */
  private findUdp(view: DataView, i: number): number {
    const { cursor } = this;
    cursor.at = this.at[i] ?? 0;
    cursor.end = cursor.at + (this.captured[i] ?? 0);
    cursor.wireEnd = cursor.at + (this.wire[i] ?? 0);
    if (skipEthernet(view, cursor) !== FATE_ALIVE) return -1;
    const ipAt = cursor.at;
    const { protocol } = cursor;
    if (protocol !== ETHERTYPE_IPV4 && protocol !== ETHERTYPE_IPV6) return -1;
    const fate = protocol === ETHERTYPE_IPV4 ? skipIpv4(view, cursor) : skipIpv6(view, cursor);
    return fate === FATE_ALIVE && cursor.protocol === PROTOCOL_UDP ? ipAt : -1;
  }

  /**
   * Adds the first `headers` octets of a packet, and behind them `octets` from `from` on, as one that had `wire` octets.
   * Returns where it begins.
   */
  private add(packet: JoinedPacket, headers: number, from: number, octets: number, wire: number): number {
    const { vector, block, i, linkType, source } = packet;
    if (vector.full || this.filled + headers + octets > BLOCK_OCTETS) this.handOn(vector);
    const copy = this.filled;
    const at = this.at[i] ?? 0;
    this.block.set(block.subarray(at, at + headers), copy);
    this.block.set(block.subarray(from, from + octets), copy + headers);
    vector.add(copy, headers + octets, wire, this.atMicros[i] ?? 0, linkType, source);
    this.filled += headers + octets;
    return copy;
  }

  private handOn(vector: PacketVector): void {
    if (vector.length > 0) this.take(vector);
    vector.clear();
    this.filled = 0;
  }
}

/** Packet i of a ring's vector, whose octets are in `block`; all of a ring have one link type and source. */
interface JoinedPacket {
  readonly vector: PacketVector;
  readonly block: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  readonly i: number;
  readonly linkType: number;
  readonly source: number;
}
