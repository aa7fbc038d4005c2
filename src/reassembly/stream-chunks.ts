import { PacketClock } from "../packet-clock.ts";
import type { OctetSink, Side } from "../pipeline-contract.ts";
import { OrderedPieces } from "./ordered-pieces.ts";

/** What a held piece takes besides its octets, in a list and as objects. */
const PIECE_OCTETS = 256;

/** A run of octets of one side's stream, in order after the one before it. */
export interface Chunk {
  readonly sessionId: string;
  readonly side: Side;
  /** Where it begins in the stream, and how many octets before it are missing: a hole, or 0. */
  readonly offset: number;
  readonly hole: number;
  readonly octets: Uint8Array;
  /** Packet time at which it was made. */
  readonly atMicros: number;
  /** The session is over: nothing of this stream comes after it. */
  readonly final: boolean;
}

/** Bounds of `StreamChunks`; CHUNK_BOUNDS where nothing else is asked for. */
export interface ChunkBounds {
  /** Octets of a chunk; one that is full goes at once. */
  readonly chunkOctets: number;
  /** Octets held out of order, PIECE_OCTETS for each piece included: of one stream, and of all. At either a hole is given up before its deadline. */
  readonly streamOctets: number;
  readonly allOctets: number;
  /** Packet time that a hole is waited for, and that octets in order wait for more. */
  readonly holeMicros: number;
  readonly chunkMicros: number;
}

/** A hole is waited for as long as hosts mostly take to send again, through another path too. */
export const CHUNK_BOUNDS: ChunkBounds = {
  chunkOctets: 32 * 1024,
  streamOctets: 4 * 1024 * 1024,
  allOctets: 64 * 1024 * 1024,
  holeMicros: 10_000_000,
  chunkMicros: 1_000_000,
};

interface Stream {
  readonly sessionId: string;
  readonly side: Side;
  /** Stream offset after the last octet that is in order. */
  next: number;
  /** Octets in order that are no chunk yet, how many, and the hole before them. */
  ready: Uint8Array[];
  readyOctets: number;
  hole: number;
  readySince: number;
  /** Pieces beyond a hole, their octets, and since when the hole is known. */
  readonly held: OrderedPieces;
  heldOctets: number;
  holeSince: number;
}

/**
 * Streams as chunks, in order, as soon as octets are contiguous. What lies beyond a hole is held until the hole is filled
 * or its deadline has come; then it goes, and says how much is missing before it. Knows no time but `advance`'s.
 */
export class StreamChunks implements OctetSink {
  /** Octets that came after the hole they belong to had been given up: they are in no chunk. */
  lateOctets = 0;
  /** Holes that were given up for a bound, before their deadline. */
  shedHoles = 0;
  private readonly emit: (chunk: Chunk) => void;
  private readonly bounds: ChunkBounds;
  /** By session id; bounded by the session table. */
  private readonly sessions = new Map<string, [Stream | null, Stream | null]>();
  /** Streams with octets in order that wait for more, and streams with a hole: those that wait longest come first. */
  private readonly ready = new Set<Stream>();
  private readonly holed = new Set<Stream>();
  private heldOctets = 0;
  private readonly clock = new PacketClock();
  private now = 0;

  constructor(emit: (chunk: Chunk) => void, bounds: ChunkBounds = CHUNK_BOUNDS) {
    this.emit = emit;
    this.bounds = bounds;
  }

  octets(sessionId: string, side: Side, offset: number, block: Uint8Array, at: number, length: number): void {
    const stream = this.streamOf(sessionId, side);
    if (offset < stream.next) {
      this.lateOctets += Math.min(length, stream.next - offset);
      const known = stream.next - offset;
      if (known < length) this.octets(sessionId, side, stream.next, block, at + known, length - known);
      return;
    }
    // A copy of its own: blocks do not stay.
    const octets = new Uint8Array(block.subarray(at, at + length));
    if (offset === stream.next) {
      this.append(stream, octets);
      this.join(stream);
      return;
    }
    stream.held.add({ offset, octets });
    if (stream.held.size === 1) this.awaitHole(stream);
    stream.heldOctets += length + PIECE_OCTETS;
    this.heldOctets += length + PIECE_OCTETS;
    while (
      stream.heldOctets > this.bounds.streamOctets ||
      (this.heldOctets > this.bounds.allOctets && stream.heldOctets > 0)
    ) {
      this.shedHoles++;
      this.skipHole(stream);
    }
  }

  /** Lets packet time pass: holes that waited too long are given up, and octets that wait for a full chunk go. */
  advance(nowMicros: number): void {
    const believed = this.clock.read(nowMicros);
    if (believed <= this.now) return;
    this.now = believed;
    for (const stream of this.holed) {
      if (believed - stream.holeSince < this.bounds.holeMicros) break;
      this.skipHole(stream);
    }
    for (const stream of this.ready) {
      if (believed - stream.readySince < this.bounds.chunkMicros) break;
      this.send(stream, false);
    }
  }

  /** A session is over: all that waits goes, and the last chunk of each stream says that it is. */
  end(sessionId: string): void {
    for (const stream of this.sessions.get(sessionId) ?? []) {
      if (stream === null) continue;
      while (stream.held.size > 0) this.skipHole(stream);
      this.send(stream, true);
    }
    this.sessions.delete(sessionId);
  }

  private streamOf(sessionId: string, side: Side): Stream {
    let pair = this.sessions.get(sessionId);
    if (pair === undefined) {
      pair = [null, null];
      this.sessions.set(sessionId, pair);
    }
    pair[side] ??= {
      ...{ sessionId, side, next: 0, ready: [], readyOctets: 0, hole: 0, readySince: 0 },
      ...{ held: new OrderedPieces(), heldOctets: 0, holeSince: 0 },
    };
    return pair[side];
  }

  /** Takes octets that are next. */
  private append(stream: Stream, octets: Uint8Array): void {
    for (let at = 0; at < octets.length; ) {
      if (stream.readyOctets === 0) {
        stream.readySince = this.now;
        this.ready.add(stream);
      }
      const part = octets.subarray(at, at + this.bounds.chunkOctets - stream.readyOctets);
      stream.ready.push(part);
      stream.readyOctets += part.length;
      stream.next += part.length;
      at += part.length;
      if (stream.readyOctets === this.bounds.chunkOctets) this.send(stream, false);
    }
  }

  /** Takes held pieces that are next. */
  private join(stream: Stream): void {
    let piece = stream.held.first;
    if (piece?.offset !== stream.next) return;
    for (; piece?.offset === stream.next; piece = stream.held.first) {
      const { octets } = piece;
      stream.held.takeFirst();
      stream.heldOctets -= octets.length + PIECE_OCTETS;
      this.heldOctets -= octets.length + PIECE_OCTETS;
      this.append(stream, octets);
    }
    // What is left waits for another hole.
    this.awaitHole(stream);
  }

  /** Waits for the first hole of a stream from now on, where it has one. */
  private awaitHole(stream: Stream): void {
    stream.holeSince = this.now;
    this.holed.delete(stream);
    if (stream.held.size > 0) this.holed.add(stream);
  }

  /** Gives the first hole of a stream up. */
  private skipHole(stream: Stream): void {
    if (stream.readyOctets > 0) this.send(stream, false);
    const offset = stream.held.first?.offset ?? stream.next;
    stream.hole += offset - stream.next;
    stream.next = offset;
    this.join(stream);
  }

  private send(stream: Stream, final: boolean): void {
    const { sessionId, side, hole, ready, readyOctets, next } = stream;
    const [only] = ready;
    const octets = ready.length === 1 && only !== undefined ? only : Buffer.concat(ready, readyOctets);
    this.emit({ sessionId, side, offset: next - readyOctets, hole, octets, atMicros: this.now, final });
    this.ready.delete(stream);
    stream.ready = [];
    stream.readyOctets = 0;
    stream.hole = 0;
  }
}
