import { SEGMENT_OCTETS } from "./conversation.ts";
import { sum16 } from "./packet-octets.ts";
import type { Random } from "./random.ts";

/** So many pieces of payload there are to draw from; what a segment carries repeats after as many segments. */
export const PIECES = 64;

/** Payload of segments. The pieces' checksums are known beforehand, so that a full packet costs no more than its copy. */
export class Pieces {
  private readonly octets: readonly Uint8Array[];
  private readonly sums: readonly number[];

  constructor(random: Random) {
    this.octets = Array.from({ length: PIECES }, () => random.octets(SEGMENT_OCTETS));
    this.sums = this.octets.map(({ buffer }) => sum16(new DataView(buffer), 0, SEGMENT_OCTETS));
  }

  /** The octets of a piece, whose number is taken modulo PIECES. */
  piece(number: number): Uint8Array {
    return this.octets[number % PIECES] ?? new Uint8Array(0);
  }

  /** The sum of `count` pieces' 16-bit words, from this number on. */
  sum(number: number, count = 1): number {
    let sum = 0;
    for (let i = number; i < number + count; i++) sum += this.sums[i % PIECES] ?? 0;
    return sum;
  }
}
