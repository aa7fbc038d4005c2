import { DELIVERY_OCTETS, putDelivery, putPacket, type Segment, wireOctets } from "../packet-octets.ts";
import type { SegmentSink } from "../packet-writer.ts";
import type { Pieces } from "../pieces.ts";

/** What is sent: agents' copies in GRE, the same as GRE-in-UDP datagrams, the packets themselves, or these without MPTCP. */
export type FrameKind = "gre" | "udp" | "mptcp" | "plain";

/** Octets kept of each packet, delivery headers included: all headers of one with data. */
const SNAP = 126;
export const SLOT_OCTETS = 128;
const ETHERNET = 14;
const IPV4 = 20;
const MICROS_PER_PACKET = 2;
/** Options that a segment without MPTCP has: on a SYN the usual ones, else timestamps. */
const SYN = 0x02;
const SYN_OPTIONS = 20;
const TIMESTAMPS = 12;

/** Segments as packets in memory that does not move, each in a slot of its own, cut as by an agent's snap length. */
export class FrameStore implements SegmentSink {
  readonly pieces: Pieces;
  packets = 0;
  /** Where in its slot a packet begins, and how long it is. */
  readonly begin: number;
  readonly lengths: Uint8Array;
  private readonly kind: FrameKind;
  private readonly octets: Uint8Array;
  private readonly view: DataView;
  private readonly numbers = new Uint32Array(2);

  /** Room for as many packets as `memory` has slots. */
  constructor(kind: FrameKind, memory: ArrayBuffer, pieces: Pieces) {
    this.kind = kind;
    this.pieces = pieces;
    this.octets = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.lengths = new Uint8Array(memory.byteLength / SLOT_OCTETS);
    this.begin = { gre: 0, udp: ETHERNET + IPV4, mptcp: DELIVERY_OCTETS - ETHERNET, plain: DELIVERY_OCTETS - ETHERNET }[
      kind
    ];
  }

  get micros(): number {
    return this.packets * MICROS_PER_PACKET;
  }

  get isFull(): boolean {
    return this.packets === this.lengths.length;
  }

  write(segment: Segment): void {
    if (this.isFull) return;
    if (this.kind === "plain") segment.optionsLength = (segment.flags & SYN) !== 0 ? SYN_OPTIONS : TIMESTAMPS;
    const { agent } = segment;
    const number = this.numbers[agent] ?? 0;
    this.numbers[agent] = number + 1;
    const captured = Math.min(wireOctets(segment), SNAP);
    const at = this.packets * SLOT_OCTETS;
    putPacket(this.octets, this.view, at, segment, number, captured, this.pieces);
    // The copy is as long as what is sent of it, whatever the length of the packet that it shows.
    putDelivery(this.view, at, agent, number, captured - DELIVERY_OCTETS);
    // The packet itself begins with the same link-layer header.
    if (this.begin === DELIVERY_OCTETS - ETHERNET) this.octets.copyWithin(at + this.begin, at, at + ETHERNET);
    this.lengths[this.packets++] = captured - this.begin;
  }
}
