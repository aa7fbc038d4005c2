import { asFloats, cacheLineWords } from "../cache-lines.ts";

/** Ranges a stream keeps in its own cache line; a stream with more has an array of its own. */
export const NEAR_RANGES = 3;
/** Float64s of a stream's cache line; those from SPARE on are its owner's, who saves a line of his own. */
export const LINE_NUMBERS = 8;
export const SPARE = 2 * NEAR_RANGES;
/** Numbers in all arrays that streams have of their own: 64 MiB. */
const MAX_FAR_NUMBERS = 8 * 1024 * 1024;

/**
 * Ranges of streams, such as those beyond the contiguous part: per stream sorted, disjoint, never adjacent. Offsets
 * only, integers below 2^53; octets are kept elsewhere. The caller keeps each stream's number of ranges (`length`),
 * in a line it touches anyway.
 */
export class StreamRanges {
  /** After `add`: the pieces that were not there before, [start, end) in pairs, in order. */
  readonly pieces: Float64Array;
  pieceCount = 0;
  /** After `advance`: how far the contiguous part reaches. */
  reached = 0;
  /** LINE_NUMBERS per stream, NEAR_RANGES pairs first: what src/session/steady-path.ts looks at itself. */
  readonly near: Float64Array;
  private readonly lineAt: (stream: number) => number;
  private readonly limit: number;
  /** Streams with more than NEAR_RANGES; bounded by the session table, and by MAX_FAR_NUMBERS together. */
  private readonly far = new Map<number, Float64Array>();
  private farNumbers = 0;

  /**
   * @param near where the lines of streams are
   * @param lineAt where in `near` that of a stream begins
   * @param limit ranges kept per stream, at least NEAR_RANGES; one more is refused
   */
  constructor(near: Float64Array, lineAt: (stream: number) => number, limit: number) {
    this.near = near;
    this.lineAt = lineAt;
    this.limit = limit;
    this.pieces = new Float64Array(2 * (limit + 1));
  }

  /** Ranges of so many streams, numbered from 0, with lines of their own. */
  static ofOwnLines(streams: number, limit: number): StreamRanges {
    const near = asFloats(cacheLineWords(streams * LINE_NUMBERS * 2));
    return new StreamRanges(near, (stream) => stream * LINE_NUMBERS, limit);
  }

  /** Adds [start, end) to a stream of `length` ranges; returns the new length, or -1, adding nothing, at the bound. */
  add(stream: number, length: number, start: number, end: number): number {
    const isFar = length > NEAR_RANGES;
    const pairs = isFar ? this.far.get(stream)! : this.near;
    const base = isFar ? 0 : this.lineAt(stream);
    const first = firstEndingAtOrAfter(pairs, base, length, start);
    let last = first;
    this.pieceCount = 0;
    let at = start;
    for (; last < length && pairs[base + last * 2]! <= end; last++) {
      if (pairs[base + last * 2]! > at) this.piece(at, pairs[base + last * 2]!);
      at = Math.max(at, pairs[base + last * 2 + 1]!);
    }
    if (at < end) this.piece(at, end);
    if (last === first) {
      if (length === this.limit || (length >= NEAR_RANGES && this.farNumbers > MAX_FAR_NUMBERS)) return -1;
      return this.insert(stream, length, first, start, end);
    }
    pairs[base + first * 2] = Math.min(start, pairs[base + first * 2]!);
    pairs[base + first * 2 + 1] = Math.max(at, end);
    if (last - first > 1) {
      move(pairs, base + (first + 1) * 2, base + last * 2, base + length * 2);
      return this.shortened(stream, length, length - (last - first - 1));
    }
    return length;
  }

  /** Takes out the ranges that begin at or before `offset`; returns the new length and sets `reached`. */
  advance(stream: number, length: number, offset: number): number {
    const isFar = length > NEAR_RANGES;
    const pairs = isFar ? this.far.get(stream)! : this.near;
    const base = isFar ? 0 : this.lineAt(stream);
    let reached = offset;
    let taken = 0;
    for (; taken < length && pairs[base + taken * 2]! <= reached; taken++) {
      reached = Math.max(reached, pairs[base + taken * 2 + 1]!);
    }
    this.reached = reached;
    if (taken === 0) return length;
    move(pairs, base, base + taken * 2, base + length * 2);
    return this.shortened(stream, length, length - taken);
  }

  /** The start of range i of a stream of `length` ranges. */
  start(stream: number, length: number, i: number): number {
    return length > NEAR_RANGES ? this.far.get(stream)![i * 2]! : this.near[this.lineAt(stream) + i * 2]!;
  }

  /** The end (one past the last octet) of range i of a stream of `length` ranges. */
  end(stream: number, length: number, i: number): number {
    return length > NEAR_RANGES ? this.far.get(stream)![i * 2 + 1]! : this.near[this.lineAt(stream) + i * 2 + 1]!;
  }

  /** Whether a stream of `length` ranges has octets of [start, end). */
  overlaps(stream: number, length: number, start: number, end: number): boolean {
    const isFar = length > NEAR_RANGES;
    const pairs = isFar ? this.far.get(stream)! : this.near;
    const base = isFar ? 0 : this.lineAt(stream);
    const first = firstEndingAtOrAfter(pairs, base, length, start + 1);
    return first < length && pairs[base + first * 2]! < end;
  }

  /** Forgets a stream. */
  release(stream: number): void {
    this.farNumbers -= this.far.get(stream)?.length ?? 0;
    this.far.delete(stream);
  }

  private piece(start: number, end: number): void {
    this.pieces[this.pieceCount * 2] = start;
    this.pieces[this.pieceCount * 2 + 1] = end;
    this.pieceCount++;
  }

  private insert(stream: number, length: number, i: number, start: number, end: number): number {
    let pairs = this.near;
    let base = this.lineAt(stream);
    if (length >= NEAR_RANGES) {
      pairs = this.roomFor(stream, length);
      base = 0;
    }
    move(pairs, base + (i + 1) * 2, base + i * 2, base + length * 2);
    pairs[base + i * 2] = start;
    pairs[base + i * 2 + 1] = end;
    return length + 1;
  }

  /** An array of the stream's own with room for one more range. */
  private roomFor(stream: number, length: number): Float64Array {
    const known = this.far.get(stream);
    if (known !== undefined && known.length >= (length + 1) * 2) return known;
    const larger = new Float64Array((length + 1) * 4);
    const near = this.lineAt(stream);
    larger.set(known ?? this.near.subarray(near, near + length * 2));
    this.farNumbers += larger.length - (known?.length ?? 0);
    this.far.set(stream, larger);
    return larger;
  }

  /** Brings ranges that have become few back into their line. */
  private shortened(stream: number, before: number, length: number): number {
    if (before > NEAR_RANGES && length <= NEAR_RANGES) {
      this.near.set(this.far.get(stream)!.subarray(0, length * 2), this.lineAt(stream));
      this.release(stream);
    }
    return length;
  }
}

/** `copyWithin`, whose call costs more than moving the few numbers there mostly are. */
function move(pairs: Float64Array, to: number, from: number, end: number): void {
  if (end - from > 16) pairs.copyWithin(to, from, end);
  else if (to < from) for (let i = 0; i < end - from; i++) pairs[to + i] = pairs[from + i]!;
  else for (let i = end - from - 1; i >= 0; i--) pairs[to + i] = pairs[from + i]!;
}

function firstEndingAtOrAfter(pairs: Float64Array, base: number, length: number, offset: number): number {
  // Most segments lie at the end.
  if (length > 0 && pairs[base + length * 2 - 1]! < offset) return length;
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (pairs[base + middle * 2 + 1]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
