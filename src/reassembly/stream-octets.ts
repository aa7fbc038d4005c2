import { INPUT_OCTETS, OctetRing } from "../octets/octet-ring.ts";
import type { NewOctets } from "./new-octets.ts";
import { type NewestPieces, OctetMemory, RING_FACTOR } from "./octet-memory.ts";
import { CHUNK_PATIENCE, type StreamChunk, TURN_PATIENCE } from "./stream-chunk.ts";
import { StreamChunks } from "./stream-chunks.ts";
import { StreamDigests } from "./stream-digests.ts";
import { StreamWindows, WINDOW_OCTETS } from "./stream-windows.ts";

/**
 * Ring for what goes on into windows at once: larger than the payload of a vector of whole Ethernet frames, and small
 * enough to stay in a processor's cache.
 */
const PASSING_OCTETS = 256 * 1024;

/** What is wanted of the octets of streams. */
export interface OctetWishes {
  /** Takes them as they come. */
  readonly pieces: ((octets: NewOctets) => void) | null;
  /** Takes them in order. */
  readonly chunk: ((chunk: StreamChunk) => void) | null;
  /** A chunk also ends where the other side has the word. */
  readonly turns: boolean;
  /** `StreamOctets.digest` is going to be asked. */
  readonly digest: boolean;
}

/**
 * Where the octets of streams go, each once: to whoever wants them, and into memory, so that what comes again can be
 * compared. Where nobody wants them in order the ring remembers them; else the windows do in which they are put in order.
 */
export class StreamOctets {
  readonly ring: OctetRing;
  readonly memory: OctetMemory;
  readonly chunks: StreamChunks | null;
  /** Somebody wants the two streams of a session in the order in which their sides spoke. */
  readonly turns: boolean;
  /** Somebody wants even those that are not worth remembering. */
  readonly wantsAll: boolean;
  private readonly digests: StreamDigests | null;
  private readonly pieces: OctetWishes["pieces"];

  /**
   * @param streams how many streams there can be; they are numbered from 0
   * @param newest where each stream's newest piece is kept
   * @param remembered octets remembered to compare what comes again
   * @param windows windows of WINDOW_OCTETS for chunks, and as many for digests, where they are wanted
   */
  constructor(streams: number, newest: NewestPieces, remembered: number, windows: number, wishes: OctetWishes) {
    const uses = (wishes.chunk === null ? 0 : 1) + (wishes.digest ? 1 : 0);
    // What a source has of the ring is in excess of what is remembered: `OctetRing.nextInput` says why three times.
    const ringOctets = uses === 0 ? remembered * RING_FACTOR + 3 * INPUT_OCTETS : PASSING_OCTETS;
    this.ring = new OctetRing(ringOctets, uses * windows * WINDOW_OCTETS);
    const since = new Uint32Array(uses === 0 ? 0 : windows);
    this.memory = new OctetMemory(newest, remembered, this.ring, since);
    const windowsOf = (use: number): StreamWindows =>
      new StreamWindows(
        this.ring,
        this.memory,
        streams,
        use === 0 ? since : new Uint32Array(windows),
        ringOctets + use * windows * WINDOW_OCTETS,
        WINDOW_OCTETS,
      );
    const { chunk } = wishes;
    const patience = wishes.turns ? TURN_PATIENCE : CHUNK_PATIENCE;
    this.pieces = wishes.pieces;
    this.turns = wishes.turns;
    this.wantsAll = uses > 0 || wishes.pieces !== null;
    this.chunks = chunk === null ? null : new StreamChunks(streams, windowsOf(0), patience, chunk);
    this.digests = wishes.digest ? new StreamDigests(streams, windowsOf(uses - 1)) : null;
  }

  /** Takes octets that nobody brought before. */
  take(octets: NewOctets, isWorth: boolean): void {
    if (this.pieces !== null) this.pieces(octets);
    const chunks = this.chunks ?? this.digests?.chunks ?? null;
    if (chunks === null) {
      if (isWorth) this.memory.remember(octets);
      return;
    }
    const address = this.ring.addressOf(octets.block, octets.at, octets.length);
    for (let done = 0; done < octets.length; ) {
      const taken = chunks.take(octets, done, address);
      const { window } = chunks.windows;
      if (isWorth && window >= 0) this.memory.rememberKept(octets, done, taken, window, chunks.windows.address);
      done += taken;
    }
    if (this.chunks === null || this.digests === null) return;
    for (let done = 0; done < octets.length; ) done += this.digests.take(octets, done, address);
  }

  /** Lets packet time pass. */
  advance(nowMicros: number): void {
    this.chunks?.advance(nowMicros);
  }

  /** SHA-256 of a stream so far in hexadecimal; null where a bound was met, or none was asked for. */
  digest(stream: number): string | null {
    return this.digests?.hex(stream) ?? null;
  }

  /** Both streams of a session are over: chunks that wait go. */
  end(session: number): void {
    for (const stream of [session * 2, session * 2 + 1]) {
      this.chunks?.end(stream);
      this.digests?.end(stream);
    }
  }
}
