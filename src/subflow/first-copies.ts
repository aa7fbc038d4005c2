import type { PacketVector } from "../vector.ts";

/** Octets of first copies are kept in so many pieces of memory, made as they are reached; the oldest are written over. */
const PIECE_OCTETS = 256 * 1024;
const PIECES = 64;
/** Of one packet: IP has no longer ones but jumbograms, of which the first octets are kept. */
const MAX_OCTETS = 0xffff;
/** Per remembered packet: where its octets begin, counted from the first ones ever kept, and how many they are. */
const PLACE_WORDS = 2;

/**
 * The payload of the first copies of packets whose subflow is copied twice, until their second copies come: at most
 * 16 MiB, the newest. What is gone when it is asked for is counted in `uncompared`.
 */
export class FirstCopies {
  /** Second copies with octets whose first ones were not kept, or not any more. */
  uncompared = 0;
  /** What `find` found: where in `view` the payload of the first copy begins and ends. */
  view = new DataView(new ArrayBuffer(0));
  payloadAt = 0;
  payloadEnd = 0;
  private readonly packets: number;
  private readonly pieces: Uint8Array<ArrayBuffer>[] = [];
  private readonly views: DataView<ArrayBuffer>[] = [];
  /** Made with the first piece: mostly no subflow is copied twice. */
  private places = new Float64Array(0);
  /** Octets written since the start, and left free at the ends of pieces. */
  private written = 0;

  /** @param packets how many are remembered at a time; each has a number below that */
  constructor(packets: number) {
    this.packets = packets;
  }

  /** Keeps the payload of packet i, which is remembered under number `place`. */
  keep(place: number, vector: PacketVector, i: number): void {
    const octets = Math.min(vector.payloadCaptured[i]!, MAX_OCTETS);
    const from = vector.payloadAt[i]!;
    const left = PIECE_OCTETS - (this.written % PIECE_OCTETS);
    if (left < octets) this.written += left;
    this.pieceAt(this.written).set(vector.block.subarray(from, from + octets), this.written % PIECE_OCTETS);
    this.places[place * PLACE_WORDS] = this.written;
    this.places[place * PLACE_WORDS + 1] = octets;
    this.written += octets;
  }

  /** The number has been given to a packet whose octets are not kept. */
  forget(place: number): void {
    if (this.places.length > 0) this.places[place * PLACE_WORDS + 1] = 0;
  }

  /** The packet that was remembered under number `from` is now under `to`. */
  move(from: number, to: number): void {
    const { places } = this;
    if (places.length > 0) places.copyWithin(to * PLACE_WORDS, from * PLACE_WORDS, (from + 1) * PLACE_WORDS);
  }

  /** Finds the payload of the first copy of packet i, remembered under number `place`. False, and counted, where it is gone. */
  find(place: number, vector: PacketVector, i: number): boolean {
    if (vector.payloadCaptured[i] === 0) return false;
    const from = this.places[place * PLACE_WORDS] ?? 0;
    const octets = this.places[place * PLACE_WORDS + 1] ?? 0;
    if (octets === 0 || this.written - from > PIECES * PIECE_OCTETS) {
      this.uncompared++;
      return false;
    }
    this.view = this.views[Math.floor(from / PIECE_OCTETS) % PIECES]!;
    this.payloadAt = from % PIECE_OCTETS;
    this.payloadEnd = this.payloadAt + octets;
    return true;
  }

  private pieceAt(written: number): Uint8Array {
    const n = Math.floor(written / PIECE_OCTETS) % PIECES;
    let piece = this.pieces[n];
    if (piece === undefined) {
      piece = new Uint8Array(PIECE_OCTETS);
      this.pieces.push(piece);
      this.views.push(new DataView(piece.buffer));
      if (n === 0) this.places = new Float64Array(this.packets * PLACE_WORDS);
    }
    return piece;
  }
}
