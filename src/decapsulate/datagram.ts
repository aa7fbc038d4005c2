import { IPV4_FRAGMENT, IPV4_TOTAL_LENGTH } from "../wire/ipv4.ts";
import { IPV6_NEXT_HEADER, IPV6_PAYLOAD_LENGTH } from "../wire/ipv6.ts";

/** Pieces of one packet; no sender makes more of 64 KiB. */
const MAX_PIECES = 256;
/** What a piece takes besides its octets. */
const PIECE_OCTETS = 256;
/** The most that an IP packet's length can say. */
const MAX_PACKET_OCTETS = 0xffff;

/** What a fragment carries of its packet's payload: [start, end) on the wire, of which the copy has the first octets. */
export interface Piece {
  readonly start: number;
  readonly end: number;
  /** Others follow it. */
  readonly more: boolean;
  readonly octets: Uint8Array;
}

/** What adding a piece did; `other`: it is of another packet with the same identification, which came after this one. */
export type Added = "held" | "complete" | "malformed" | "overlaps" | "other";

/**
 * Whether no packet has such a piece, with an IP header of so many octets (RFC 8200 §4.5): all but the last hold a multiple
 * of 8.
 */
export function isMalformed({ start, end, more }: Piece, headerOctets: number): boolean {
  const length = end - start;
  return length <= 0 || (more && length % 8 !== 0) || headerOctets + end > MAX_PACKET_OCTETS;
}

/** A fragmented IP packet, and as many of its fragments as have come. */
export class Datagram {
  readonly sinceMicros: number;
  /** Given up because fragments overlapped: what still comes of it is refused, too. */
  isRefused = false;
  /** It was put together. */
  isDone = false;
  /** What may be the next packet with this identification: a piece came in the place of another. */
  rival: Datagram | null = null;
  /** Memory that it takes, about. */
  octets = 0;
  readonly family: number;
  private pieces: Piece[] = [];
  /** The first fragment's IP header, without what IPv6 puts between it and the fragment header. */
  private header: Uint8Array | null = null;
  private protocol = 0;
  /** Octets of payload that came, and in all: -1 while the last fragment has not come. */
  private present = 0;
  private total = -1;

  constructor(family: number, sinceMicros: number) {
    this.family = family;
    this.sinceMicros = sinceMicros;
  }

  /** Whether all of it has come. */
  get isComplete(): boolean {
    return this.present === this.total;
  }

  /**
   * Adds a piece that is not malformed by itself. Of the first one `header` is the IP header, and `protocol` what that says
   * the payload is. A piece that is there comes again now and then; one that overlaps others otherwise is an attack (RFC 5722
   * §3, RFC 8200 §4.5).
   */
  add(piece: Piece, header: Uint8Array, protocol: number): Added {
    const { start, end, more, octets } = piece;
    const known = this.pieces.find((one) => one.start < end && one.end > start);
    const isThere = known?.start === start && known.end === end && known.more === more;
    if (isThere && Buffer.compare(known.octets, octets) === 0) return "held";
    if (isThere || this.isComplete) return "other";
    if (known !== undefined) return "overlaps";
    const isBeyond = this.total >= 0 && (more ? end > this.total : end !== this.total);
    if (isBeyond || (!more && this.pieces.some((one) => one.end > end))) return "malformed";
    if (this.pieces.length >= MAX_PIECES) return "malformed";
    this.pieces.push(piece);
    this.octets += octets.length + PIECE_OCTETS;
    this.present += end - start;
    if (!more) this.total = end;
    if (start === 0) {
      this.header = header;
      this.protocol = protocol;
    }
    return this.isComplete ? "complete" : "held";
  }

  /** Forgets what it holds, and that it could be completed. */
  refuse(): void {
    this.isRefused = true;
    this.rival = null;
    this.pieces = [];
    this.octets = 0;
  }

  /**
   * The packet as if it had never been fragmented: its octets up to the first that a copy was cut before, and how many it had
   * on the wire. Of a complete one only.
   */
  whole(): { readonly octets: Uint8Array<ArrayBuffer>; readonly wire: number } {
    const header = this.header ?? new Uint8Array(0);
    const wire = header.length + this.total;
    const sorted = this.pieces.toSorted((a, b) => a.start - b.start);
    const cut = sorted.find((piece) => piece.octets.length < piece.end - piece.start);
    const octets = new Uint8Array(header.length + (cut === undefined ? this.total : cut.start + cut.octets.length));
    octets.set(header);
    for (const piece of sorted) {
      if (cut !== undefined && piece.start > cut.start) break;
      octets.set(piece.octets, header.length + piece.start);
    }
    const view = new DataView(octets.buffer);
    if (this.family === 4) {
      view.setUint16(IPV4_TOTAL_LENGTH, wire);
      view.setUint16(IPV4_FRAGMENT, 0);
    } else {
      view.setUint16(IPV6_PAYLOAD_LENGTH, this.total);
      view.setUint8(IPV6_NEXT_HEADER, this.protocol);
    }
    return { octets, wire };
  }
}
