/** Octets of a stream from `offset` on. */
export interface StreamPiece {
  readonly offset: number;
  readonly octets: Uint8Array;
}

/** Pieces of a stream that do not overlap, by their offsets. */
export class OrderedPieces {
  /** The first one last, where it is taken from. */
  private readonly pieces: StreamPiece[] = [];

  get size(): number {
    return this.pieces.length;
  }

  /** The piece that lies first; undefined when there is none. */
  get first(): StreamPiece | undefined {
    return this.pieces.at(-1);
  }

  /** Puts a piece in its place. */
  add(piece: StreamPiece): void {
    const { offset } = piece;
    let low = 0;
    let high = this.pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.pieces[middle]?.offset ?? 0) > offset) low = middle + 1;
      else high = middle;
    }
    this.pieces.splice(low, 0, piece);
  }

  /** Takes the piece that lies first out. */
  takeFirst(): void {
    this.pieces.pop();
  }
}
