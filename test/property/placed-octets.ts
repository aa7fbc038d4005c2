import type { OctetSink } from "../../src/pipeline.ts";

/** A piece of a stream as a pipeline handed it over. */
export interface Piece {
  readonly side: 0 | 1;
  readonly offset: number;
  readonly octets: Buffer;
}

/** Every piece that a pipeline placed, by the id of its session. */
export class PlacedOctets implements OctetSink {
  readonly pieces = new Map<string, Piece[]>();

  octets(id: string, side: 0 | 1, offset: number, block: Uint8Array, at: number, length: number): void {
    const known = this.pieces.get(id) ?? [];
    known.push({ side, offset, octets: Buffer.from(block.subarray(at, at + length)) });
    this.pieces.set(id, known);
  }

  /** Which of a stream's first `length` octets were placed: how often each of them was. */
  map(id: string, side: 0 | 1, length: number): Uint8Array {
    const map = new Uint8Array(length);
    for (const piece of this.pieces.get(id) ?? []) {
      if (piece.side !== side) continue;
      for (let at = piece.offset; at < piece.offset + piece.octets.length && at < length; at++)
        map[at] = (map[at] ?? 0) + 1;
    }
    return map;
  }
}
