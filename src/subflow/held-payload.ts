import type { TableUse } from "../pipeline-contract.ts";
import type { WatchedDirection } from "./watched-direction.ts";

/** Pieces held at a time, and their octets; at the bound the oldest goes. */
const MAX_PIECES = 4096;
const MAX_OCTETS = 8 * 1024 * 1024;
/** Octets held of one direction: more than one mapping can lack (RFC 8684 §3.3.1: 16 bits of length). */
const MAX_OCTETS_OF_DIRECTION = 128 * 1024;
/** Each new mapping looks at all of its direction's: nobody makes that dear with small ones. */
const MAX_PIECES_OF_DIRECTION = 256;
/** A mapping that comes later than this after its octets comes no more. */
const MAX_MICROS = 10_000_000;

/** Octets [start, end) of a direction that no mapping covers yet; `block` has the first of them, as far as they were captured. */
export interface HeldPiece {
  readonly subflow: number;
  readonly higher: number;
  readonly direction: WatchedDirection;
  readonly start: number;
  readonly end: number;
  readonly block: Uint8Array<ArrayBuffer>;
  readonly atMicros: number;
  readonly agent: number;
  /** Its packet: a number of the vector it came with, and its place in that. */
  readonly vector: number;
  readonly packet: number;
}

/** Payload that came before the mapping that covers it, for the mapping to come. Copied: blocks do not stay. */
export class HeldPayload {
  /** Oldest first. Sets, because a piece goes from anywhere at the cost of one, however many are held. */
  private readonly pieces = new Set<HeldPiece>();
  private readonly ofDirection = new Map<WatchedDirection, Set<HeldPiece>>();
  private octets = 0;
  private readonly giveUp: (piece: HeldPiece) => void;

  /** @param giveUp told of pieces that no mapping will cover any more */
  constructor(giveUp: (piece: HeldPiece) => void) {
    this.giveUp = giveUp;
  }

  /** Keeps a piece; older ones go where there is no room. */
  hold(piece: HeldPiece): void {
    const { direction } = piece;
    direction.heldOctets += piece.end - piece.start;
    this.octets += piece.block.length;
    this.pieces.add(piece);
    let own = this.ofDirection.get(direction);
    if (own === undefined) {
      own = new Set();
      this.ofDirection.set(direction, own);
    }
    own.add(piece);
    while (direction.heldOctets > MAX_OCTETS_OF_DIRECTION || own.size > MAX_PIECES_OF_DIRECTION) this.dropOldest(own);
    while (this.pieces.size > MAX_PIECES || this.octets > MAX_OCTETS) this.dropOldest(this.pieces);
  }

  /** Takes the pieces of a direction out that have octets of [start, end), in the order they came. */
  takeOf(direction: WatchedDirection, start: number, end: number): HeldPiece[] {
    const taken: HeldPiece[] = [];
    for (const piece of this.ofDirection.get(direction) ?? []) {
      if (piece.start < end && piece.end > start) taken.push(piece);
    }
    for (const piece of taken) this.forget(piece);
    return taken;
  }

  /** Gives up what waited too long; either way, so that a time far ahead that one packet states keeps no room. */
  expire(nowMicros: number): void {
    for (const piece of this.pieces) {
      if (Math.abs(nowMicros - piece.atMicros) <= MAX_MICROS) return;
      this.drop(piece);
    }
  }

  /** Pieces that are held. */
  get use(): TableUse {
    return { used: this.pieces.size, bound: MAX_PIECES };
  }

  private dropOldest(pieces: ReadonlySet<HeldPiece>): void {
    for (const piece of pieces) {
      this.drop(piece);
      return;
    }
  }

  private drop(piece: HeldPiece): void {
    this.forget(piece);
    this.giveUp(piece);
  }

  private forget(piece: HeldPiece): void {
    const { direction } = piece;
    this.pieces.delete(piece);
    const own = this.ofDirection.get(direction);
    own?.delete(piece);
    if (own?.size === 0) this.ofDirection.delete(direction);
    direction.heldOctets -= piece.end - piece.start;
    this.octets -= piece.block.length;
  }
}
