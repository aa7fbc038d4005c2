import type { OctetRing } from "../octets/octet-ring.ts";
import type { NewOctets } from "./new-octets.ts";

/** Octets of payload that are remembered, over all streams, where nothing else is asked for. */
export const REMEMBERED_OCTETS = 16 * 1024 * 1024;
/** Octets of the ring for one that is remembered in it: headers and octets that come again lie in it too. */
export const RING_FACTOR = 2;
/** One piece for so many octets of memory, as a segment has; smaller pieces use the memory up sooner. */
const OCTETS_OF_PIECE = 1024;
/**
 * Pieces that a search may look at, so that nobody can make it expensive: each segment that is remembered or compared
 * earns some, and so many can be saved up. It must not depend on how packets came in vectors.
 */
const EARNED_STEPS = 256;
const SAVED_STEPS = 16_384;
/** Octets of each side of a difference that are kept. */
const KEPT_OCTETS = 32;
/** Fewer octets of a copy that was cut are not worth remembering: captures of headers alone hold some in each packet. */
const LEAST_OF_CUT = 64;

/**
 * Words of a piece: stream, octets, subflow, agent, number of the piece before it in the stream. In streams that were
 * searched (`hang`) further the number of the piece that a leap leads to, and how many pieces the leap passes, itself
 * included; 0 where it is not known yet. Last the window in which it is kept + 1; 0: it is in the ring.
 */
const PIECE_WORDS = 8;
const STREAM = 0;
const LENGTH = 1;
const SUBFLOW = 2;
const AGENT = 3;
const PREVIOUS = 4;
const LEAP = 5;
const SPAN = 6;
const WINDOW = 7;

/**
 * Number of each stream's newest piece at `numbers[placeOf(stream)]`, 0 where there is none: beside what the owner of the
 * memory looks at anyway. Numbers count up from 1 and wrap at 2^32.
 */
export interface NewestPieces {
  readonly numbers: Float64Array;
  readonly placeOf: (stream: number) => number;
}

/** Octets of a stream that came again and are not what they were. */
export interface Difference {
  /** Stream offset of the first octet that differs, and octets from there to the last one that does. */
  readonly offset: number;
  readonly length: number;
  /** Who brought the first copy. */
  readonly subflow: number;
  readonly agent: number;
  /** Up to KEPT_OCTETS of both copies, from `offset`. */
  readonly first: Uint8Array;
  readonly second: Uint8Array;
}

/** Whether so many octets of a segment with `length` are worth remembering. */
export function isWorth(captured: number, length: number): boolean {
  return captured >= LEAST_OF_CUT || (captured === length && captured > 0);
}

/**
 * What the newest octets of all streams were, so that octets that come again can be compared with those that came
 * first. One ring for all: the oldest are forgotten. Pieces of a stream hang together, the newest first; in streams in which
 * octets came again leaps pass over many of them, each of which knows what offsets it passes (E. W. Myers, "An applicative
 * random-access stack", 1983): pieces mostly lie in the order of their offsets, so that few steps find what is far back.
 */
export class OctetMemory {
  /** After `compare`: octets that were compared, of them those that another subflow had brought, and those that differ. */
  compared = 0;
  fromOthers = 0;
  differing = 0;
  /** After `compare`: where the piece begins that was compared last; NaN before the first, as at NO_WORD in src/wire/mptcp.ts. */
  pieceAt = Number.NaN;
  /** After `compare`: where they differ, one entry for each piece of the first copy at most, in order of their offsets. */
  differences: Difference[] = [];

  private readonly ring: OctetRing;
  /** Of each piece: its stream offset, its place in the ring or its address in a window, and what had been remembered before. */
  private readonly offsets: Float64Array;
  private readonly places: Float64Array;
  private readonly before: Float64Array;
  private readonly words: Uint32Array;
  /** Of the pieces that a leap passes: the lowest offset, and the highest end. */
  private readonly lowest: Float64Array;
  private readonly highest: Float64Array;
  /** Pieces that `hang` is at. */
  private readonly unhung: number[] = [];
  private readonly mask: number;
  private readonly newest: NewestPieces;
  private number = 0;
  private readonly since: Uint32Array;
  /** So many octets are remembered. */
  readonly limit: number;
  /** Octets remembered since the beginning: what is forgotten must not depend on how packets came in vectors. */
  remembered = 0;
  private steps = SAVED_STEPS;

  /**
   * @param newest where each stream's newest piece is kept
   * @param octets so many are remembered; the ring has more room than that, so that only a flood of repetitions fills it
   * @param since of each window behind the ring: the number of the first piece that can lie in it
   */
  constructor(newest: NewestPieces, octets: number, ring: OctetRing, since = new Uint32Array(0)) {
    const pieces = 2 ** Math.ceil(Math.log2(Math.max(octets / OCTETS_OF_PIECE, 16)));
    this.ring = ring;
    this.since = since;
    this.limit = octets;
    this.offsets = new Float64Array(pieces);
    this.places = new Float64Array(pieces);
    this.before = new Float64Array(pieces);
    this.words = new Uint32Array(pieces * PIECE_WORDS);
    this.lowest = new Float64Array(pieces);
    this.highest = new Float64Array(pieces);
    this.mask = pieces - 1;
    this.newest = newest;
  }

  /**
   * Begins a vector: its payload, `wanted` octets of [from, to) of its block, goes into the ring at once where that is
   * worth it.
   */
  begin(block: Uint8Array, from: number, to: number, wanted: number): void {
    this.ring.stage(block, from, to, wanted);
  }

  /** The number of the next piece: what lies in a window of memory that is taken into use now has no lower one. */
  get nextNumber(): number {
    return this.number + 1 > 0xffffffff ? 1 : this.number + 1;
  }

  /** Remembers octets. */
  remember(octets: NewOctets): void {
    const { ring } = this;
    const { block, at, length } = octets;
    this.earn();
    if (length > this.limit) return;
    this.places[this.add(octets, 0, length, 0)] = ring.keep(block, at, length);
  }

  /** Remembers `length` of the octets, behind the first `skip`, which are kept in a window at this address. */
  rememberKept(octets: NewOctets, skip: number, length: number, window: number, address: number): void {
    this.earn();
    if (length <= this.limit) this.places[this.add(octets, skip, length, window + 1)] = address;
  }

  private add({ stream, offset, subflow, agent }: NewOctets, skip: number, length: number, window: number): number {
    this.number = this.nextNumber;
    const piece = this.number & this.mask;
    const base = piece * PIECE_WORDS;
    this.offsets[piece] = offset + skip;
    this.before[piece] = this.remembered;
    this.remembered += length;
    this.words[base + STREAM] = stream;
    this.words[base + LENGTH] = length;
    this.words[base + SUBFLOW] = subflow;
    this.words[base + AGENT] = agent;
    this.words[base + SPAN] = 0;
    this.words[base + WINDOW] = window;
    const { numbers, placeOf } = this.newest;
    const newestAt = placeOf(stream);
    this.words[base + PREVIOUS] = numbers[newestAt]!;
    numbers[newestAt] = this.number;
    return piece;
  }

  /**
   * Compares [from, to) of a stream, which came again on `subflow`, with what came first; offset 0 would lie at `zeroAt`
   * of `block`. What is no longer remembered, or not found in time, is not `compared`.
   */
  compare(stream: number, from: number, to: number, block: Uint8Array, zeroAt: number, subflow: number): void {
    this.compared = 0;
    this.fromOthers = 0;
    this.differing = 0;
    if (this.differences.length > 0) this.differences = [];
    this.earn();
    const { numbers, placeOf } = this.newest;
    let number = numbers[placeOf(stream)]!;
    this.hang(number);
    // Pieces hang together by age: what is behind one that is gone is gone too.
    for (; this.isKept(number) && this.compared < to - from && this.steps > 0; this.steps--) {
      const piece = number & this.mask;
      const base = piece * PIECE_WORDS;
      if (this.lowest[piece]! >= to || this.highest[piece]! <= from) {
        number = this.words[base + LEAP]!;
        continue;
      }
      const begin = Math.max(from, this.offsets[piece]!);
      const end = Math.min(to, this.offsets[piece]! + this.words[base + LENGTH]!);
      if (begin < end) {
        this.compared += end - begin;
        this.pieceAt = this.offsets[piece]!;
        if (this.words[base + SUBFLOW] !== subflow) this.fromOthers += end - begin;
        const place = this.places[piece]! + begin - this.offsets[piece]!;
        const at = this.words[base + WINDOW] === 0 ? place % this.ring.size : place;
        const length = end - begin;
        if (this.ring.octets.compare(block, zeroAt + begin, zeroAt + end, at, at + length) !== 0) {
          this.tell(piece, begin, length, at, block, zeroAt + begin);
        }
      }
      number = this.words[base + PREVIOUS]!;
    }
    if (this.differences.length > 1) this.differences.sort((a, b) => a.offset - b.offset);
  }

  /** What is remembered of a stream from one subflow is another's: a walk over all of it, for what hardly ever happens. */
  rename(stream: number, subflow: number, heir: number): void {
    const { numbers, placeOf } = this.newest;
    for (let number = numbers[placeOf(stream)]!; this.isKept(number); ) {
      const base = (number & this.mask) * PIECE_WORDS;
      if (this.words[base + SUBFLOW] === subflow) this.words[base + SUBFLOW] = heir;
      number = this.words[base + PREVIOUS]!;
    }
  }

  /** Forgets a stream. */
  release(stream: number): void {
    const { numbers, placeOf } = this.newest;
    numbers[placeOf(stream)] = 0;
  }

  private earn(): void {
    this.steps = Math.min(this.steps + EARNED_STEPS, SAVED_STEPS);
  }

  /** Gives the pieces of a stream from its newest on their leaps, those that have none: each piece once. */
  private hang(newest: number): void {
    const { words, mask, unhung } = this;
    for (let number = newest; this.isKept(number) && words[(number & mask) * PIECE_WORDS + SPAN] === 0; ) {
      unhung.push(number);
      number = words[(number & mask) * PIECE_WORDS + PREVIOUS]!;
    }
    for (let number = unhung.pop(); number !== undefined; number = unhung.pop()) {
      const piece = number & mask;
      const base = piece * PIECE_WORDS;
      const previous = words[base + PREVIOUS]!;
      const before = previous & mask;
      const beyond = words[before * PIECE_WORDS + LEAP]!;
      this.lowest[piece] = this.offsets[piece]!;
      this.highest[piece] = this.offsets[piece]! + words[base + LENGTH]!;
      words[base + LEAP] = previous;
      words[base + SPAN] = 1;
      if (!this.isKept(previous) || !this.isKept(beyond)) continue;
      const span = words[before * PIECE_WORDS + SPAN]!;
      // Two leaps of the same span, one behind the other, become one.
      if (span !== words[(beyond & mask) * PIECE_WORDS + SPAN]) continue;
      words[base + LEAP] = words[(beyond & mask) * PIECE_WORDS + LEAP]!;
      words[base + SPAN] = 1 + span * 2;
      this.lowest[piece] = Math.min(this.lowest[piece]!, this.lowest[before]!, this.lowest[beyond & mask]!);
      this.highest[piece] = Math.max(this.highest[piece]!, this.highest[before]!, this.highest[beyond & mask]!);
    }
  }

  private isKept(number: number): boolean {
    const piece = number & this.mask;
    return (
      number !== 0 &&
      (this.number - number) >>> 0 <= this.mask &&
      this.remembered - this.before[piece]! <= this.limit &&
      this.isThere(number, piece)
    );
  }

  private isThere(number: number, piece: number): boolean {
    const window = this.words[piece * PIECE_WORDS + WINDOW]!;
    if (window === 0) return this.ring.isThere(this.places[piece]!);
    // A window that was given to another stream since then has other octets.
    return ((number - this.since[window - 1]!) | 0) >= 0;
  }

  private tell(piece: number, offset: number, length: number, at: number, block: Uint8Array, againAt: number): void {
    let begin = -1;
    let end = 0;
    for (let i = 0; i < length; i++) {
      if (this.ring.octets[at + i] === block[againAt + i]) continue;
      if (begin < 0) begin = i;
      end = i + 1;
      this.differing++;
    }
    const kept = Math.min(end - begin, KEPT_OCTETS);
    const base = piece * PIECE_WORDS;
    this.differences.push({
      offset: offset + begin,
      length: end - begin,
      subflow: this.words[base + SUBFLOW]!,
      agent: this.words[base + AGENT]!,
      first: new Uint8Array(this.ring.octets.subarray(at + begin, at + begin + kept)),
      second: new Uint8Array(block.subarray(againAt + begin, againAt + begin + kept)),
    });
  }
}
