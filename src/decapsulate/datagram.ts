/** Pieces of one packet; no sender makes more of 64 KiB. */
const MAX_PIECES = 256;
/** The most that an IP packet's length can say. */
const MAX_OCTETS = 0xffff;
const IPV4_TOTAL_LENGTH = 2;
const IPV4_FLAGS = 6;
const IPV6_PAYLOAD_LENGTH = 4;
const IPV6_NEXT_HEADER = 6;

/** A fragment's part of its packet's payload: [start, end) on the wire, of which the copy has the first octets. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly octets: Uint8Array;
}

/** What adding a fragment did: nothing more than that, all are there, or it cannot be and the packet is given up. */
export type Added = "held" | "complete" | "malformed" | "overlaps";

/** A fragmented IP packet, and as many of its fragments as have come. */
export class Datagram {
  readonly sinceMicros: number;
  /** Given up: what still comes of it is refused, too. */
  isRefused = false;
  /** Octets that it holds. */
  octets = 0;
  private readonly family: number;
  private pieces: Piece[] = [];
  /** The first fragment's IP header without what IPv6 puts between it and the fragment header. */
  private header: Uint8Array | null = null;
  private protocol = 0;
  /** Octets of payload in all, -1 while the last fragment has not come. */
  private total = -1;

  constructor(family: number, sinceMicros: number) {
    this.family = family;
    this.sinceMicros = sinceMicros;
  }

  /**
   * Adds [offset, offset + length) of the payload, of which `octets` are the first. `header` is the fragment's IP header,
   * `protocol` what it says the payload is: those of the first fragment hold. A fragment that is there comes again now and
   * then; one that overlaps others otherwise is an attack (RFC 5722 §3, and RFC 8200 §4.5).
   */
  add(offset: number, length: number, more: boolean, header: Uint8Array, protocol: number, octets: Uint8Array): Added {
    const end = offset + length;
    // RFC 8200 §4.5: all but the last hold a multiple of 8 octets.
    if (length <= 0 || (more && length % 8 !== 0) || header.length + end > MAX_OCTETS) return "malformed";
    if (this.total >= 0 && (more ? end > this.total : end !== this.total)) return "malformed";
    if (!more && this.pieces.some((piece) => piece.end > end)) return "malformed";
    if (this.pieces.some((piece) => piece.start === offset && piece.end === end)) return "held";
    if (this.pieces.some((piece) => piece.start < end && piece.end > offset)) return "overlaps";
    if (this.pieces.length >= MAX_PIECES) return "malformed";
    this.pieces.push({ start: offset, end, octets });
    this.octets += octets.length;
    if (!more) this.total = end;
    if (offset === 0) {
      this.header = header;
      this.protocol = protocol;
    }
    return this.pieces.reduce((sum, piece) => sum + piece.end - piece.start, 0) === this.total ? "complete" : "held";
  }

  /** Forgets what it holds, and that it could be completed. */
  refuse(): void {
    this.isRefused = true;
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
    const octets = new Uint8Array(wire);
    octets.set(header);
    let present = header.length;
    for (const piece of this.pieces.sort((a, b) => a.start - b.start)) {
      octets.set(piece.octets, header.length + piece.start);
      present += piece.octets.length;
      if (piece.octets.length < piece.end - piece.start) break;
    }
    const view = new DataView(octets.buffer);
    if (this.family === 4) {
      view.setUint16(IPV4_TOTAL_LENGTH, wire);
      view.setUint16(IPV4_FLAGS, 0);
    } else {
      view.setUint16(IPV6_PAYLOAD_LENGTH, this.total);
      view.setUint8(IPV6_NEXT_HEADER, this.protocol);
    }
    return { octets: octets.subarray(0, present), wire };
  }
}
