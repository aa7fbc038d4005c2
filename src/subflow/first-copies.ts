import type { PacketVector } from "../vector.ts";

/** Octets of first copies are kept in so many pieces of memory, made as they are reached; the oldest are written over. */
const PIECE_OCTETS = 256 * 1024;
const PIECES = 64;
/** Of one packet: IP has no longer ones but jumbograms, of which the first octets are kept. */
const MAX_OCTETS = 0xffff;
/** Packets kept; a new one takes the place of the one that hashes to the same. */
const PLACES = 8192;
/** Per packet: two words of fingerprint, where its octets begin, how many they are. */
const PLACE_WORDS = 4;
const AGENT_MASK = 0x7ff;

/**
 * The payload of the first copies of packets whose subflow is copied twice, until their second copies come: at most
 * 16 MiB and 8,192 packets, the newest. What is gone when it is asked for is counted in `uncompared`.
 */
export class FirstCopies {
  /** Second copies with octets whose first ones were not kept any more. */
  uncompared = 0;
  /** What `find` found: where in `view` the payload of the first copy begins and ends. */
  view = new DataView(new ArrayBuffer(0));
  payloadAt = 0;
  payloadEnd = 0;
  private readonly pieces: Uint8Array<ArrayBuffer>[] = [];
  private readonly views: DataView<ArrayBuffer>[] = [];
  /** Made with the first piece: mostly no subflow is copied twice. */
  private places = new Float64Array(0);
  /** Octets written since the start, and left free at the ends of pieces. */
  private written = 0;

  /** Keeps the octets of packet i, whose fingerprint is `a` and the upper half of `b`. */
  keep(vector: PacketVector, i: number, a: number, b: number): void {
    const octets = Math.min(vector.payloadCaptured[i]!, MAX_OCTETS);
    if (octets === 0) return;
    const from = vector.payloadAt[i]!;
    const left = PIECE_OCTETS - (this.written % PIECE_OCTETS);
    if (left < octets) this.written += left;
    this.pieceAt(this.written).set(vector.block.subarray(from, from + octets), this.written % PIECE_OCTETS);
    const at = (a % PLACES) * PLACE_WORDS;
    this.places[at] = a;
    this.places[at + 1] = fingerprint(b, vector.agent[i]! + 1);
    this.places[at + 2] = this.written;
    this.places[at + 3] = octets;
    this.written += octets;
  }

  /** Finds the octets of the first copy of packet i, made by `agent` (+ 1). False, and counted, where they are gone. */
  find(vector: PacketVector, i: number, a: number, b: number, agent: number): boolean {
    if (vector.payloadCaptured[i] === 0) return false;
    const at = (a % PLACES) * PLACE_WORDS;
    const from = this.places[at + 2]!;
    const isKept = this.places[at] === a && this.places[at + 1] === fingerprint(b, agent);
    if (!isKept || this.written - from > PIECES * PIECE_OCTETS) {
      this.uncompared++;
      return false;
    }
    this.view = this.views[Math.floor(from / PIECE_OCTETS) % PIECES]!;
    this.payloadAt = from % PIECE_OCTETS;
    this.payloadEnd = this.payloadAt + this.places[at + 3]!;
    return true;
  }

  private pieceAt(written: number): Uint8Array {
    const n = Math.floor(written / PIECE_OCTETS) % PIECES;
    let piece = this.pieces[n];
    if (piece === undefined) {
      piece = new Uint8Array(PIECE_OCTETS);
      this.pieces.push(piece);
      this.views.push(new DataView(piece.buffer));
      if (n === 0) this.places = new Float64Array(PLACES * PLACE_WORDS);
    }
    return piece;
  }
}

const fingerprint = (b: number, agent: number): number => ((b & ~0xffff) | (agent & AGENT_MASK)) >>> 0;
