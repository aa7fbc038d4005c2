import type { NewOctets } from "../reassembly/new-octets.ts";
import type { StreamChunk } from "../reassembly/stream-chunk.ts";
import type { Sessions } from "../session/sessions.ts";
import { streamEnd } from "../session/stream-end.ts";
import { AcknowledgmentLevels } from "./acknowledgment-levels.ts";

/** An answer waits so long for what it answers: as long as clocks and ways of two agents may differ. µs of packet time. */
const PATIENCE_MICROS = 2_000_000;
/** Octets of answers that wait, and what each part takes besides. At the bound the session that waits longest is told as it is. */
const MAX_OCTETS = 16 * 1024 * 1024;
const PART_OCTETS = 512;

/** Octets of which the first `level` of the other side's stream were acknowledged when they were sent. */
interface Part extends StreamChunk {
  readonly level: number;
}

/** What one side of a session said, and waits for the other side's octets that it had acknowledged. */
interface Waiting {
  readonly stream: number;
  readonly parts: Part[];
  /** Packet time at which the first of them came. */
  sinceMicros: number;
}

/**
 * Puts chunks of a session's two streams in the order in which its sides spoke: what a side said after it had acknowledged octets
 * of the other one waits for these. Copies of two paths take ways of their own to a collector, so that an answer may come before
 * what it answers. What has not come in two seconds is taken for missing, for its receiver has it.
 */
export class Answers {
  private readonly put: (chunk: StreamChunk) => void;
  private readonly told: (stream: number) => number;
  private readonly levels = new AcknowledgmentLevels();
  /** By session, those that wait longest first. Bounded by the session table. */
  private readonly waiting = new Map<number, Waiting>();
  /** By stream: up to which offset of the other side's it has waited in vain. */
  private readonly missed = new Map<number, number>();
  private octets = 0;
  private hurried = 0;

  /**
   * @param put takes each chunk in its turn
   * @param told up to which offset a stream has been put
   */
  constructor(put: (chunk: StreamChunk) => void, told: (stream: number) => number) {
    this.put = put;
    this.told = told;
  }

  /** Parts that, for a bound, did not wait for what they answer. */
  get early(): number {
    return this.hurried + this.levels.shed;
  }

  /** Learns of octets that chunks will bring what they acknowledge. */
  note({ stream, offset, acknowledged }: NewOctets): void {
    if (acknowledged > this.told(stream ^ 1)) this.levels.note(stream, offset, acknowledged);
  }

  /** Takes the next chunk of a stream, which is valid during the call. */
  take(sessions: Sessions, chunk: StreamChunk): void {
    const { stream } = chunk;
    const end = chunk.offset + chunk.octets.length;
    for (let rest = chunk; ; ) {
      const { level, until } = this.levels.at(stream, rest.offset);
      if (until >= end) {
        this.takePart(sessions, { ...rest, level });
        break;
      }
      this.takePart(sessions, { ...head(rest, until - rest.offset), level });
      rest = tail(rest, until - rest.offset);
    }
    this.levels.forgetBefore(stream, end);
  }

  /** Packet time passes: what has waited too long goes. Not to be called while a chunk is taken. */
  advance(sessions: Sessions, nowMicros: number): void {
    for (const [session, waiting] of this.waiting) {
      const { sinceMicros } = waiting;
      // A clock was set back: they begin to wait anew, all of them now.
      if (sinceMicros > nowMicros) waiting.sinceMicros = nowMicros;
      else if (nowMicros - sinceMicros < PATIENCE_MICROS) return;
      else this.giveUp(sessions, session, waiting);
    }
  }

  /** Puts all that waits of a session. */
  release(session: number): void {
    const waiting = this.waiting.get(session);
    while (waiting !== undefined && waiting.parts.length > 0) this.putFirst(waiting);
  }

  /** Forgets a session, and what waits of it. */
  forget(session: number): void {
    for (const part of this.waiting.get(session)?.parts ?? []) this.octets -= sizeOf(part);
    this.waiting.delete(session);
    for (const stream of [session * 2, session * 2 + 1]) {
      this.missed.delete(stream);
      this.levels.forget(stream);
    }
  }

  private takePart(sessions: Sessions, part: Part): void {
    const session = part.stream >>> 1;
    const waiting = this.waiting.get(session);
    if (waiting !== undefined && waiting.stream !== part.stream) this.putAmong(sessions, waiting, part);
    else if (waiting !== undefined) this.keep(waiting, part);
    else if (this.isNext(sessions, part)) this.put(part);
    else {
      const first = { stream: part.stream, parts: [], sinceMicros: part.newestMicros };
      this.waiting.set(session, first);
      this.keep(first, part);
    }
  }

  /** Whether all that its sender had acknowledged has been put. */
  private isNext(sessions: Sessions, { stream, level }: Part): boolean {
    const told = this.told(stream ^ 1);
    if (level <= Math.max(told, this.missed.get(stream) ?? 0)) return true;
    // The end of a stream is acknowledged as an octet is (RFC 8684 §3.3.3).
    const end = streamEnd(sessions, stream >>> 1, (stream & 1) ^ 1);
    return end !== null && end <= told;
  }

  /** What the first part waits for is missing. */
  private giveUp(sessions: Sessions, session: number, waiting: Waiting): void {
    const [first] = waiting.parts;
    if (first === undefined) return;
    this.missed.set(first.stream, first.level);
    sessions.octets.chunks?.giveUpBefore(first.stream ^ 1, first.level);
    // Unless they went behind what came of the other side.
    for (let [next] = waiting.parts; next !== undefined && this.isNext(sessions, next); [next] = waiting.parts)
      this.putFirst(waiting);
    const [next] = waiting.parts;
    if (next === undefined) return;
    this.waiting.delete(session);
    this.waiting.set(session, waiting);
    waiting.sinceMicros = next.newestMicros;
  }

  private keep(waiting: Waiting, part: Part): void {
    // They may be a Buffer, whose `slice` copies nothing.
    waiting.parts.push({ ...part, octets: new Uint8Array(part.octets) });
    this.octets += sizeOf(part);
    // Here, because time that passes may bring the octets of many streams at once.
    for (const [session, { parts }] of this.waiting) {
      if (this.octets <= MAX_OCTETS) return;
      this.hurried += parts.length;
      this.release(session);
    }
  }

  /** Puts octets of the other side of what waits, and that behind those that it waits for. */
  private putAmong(sessions: Sessions, waiting: Waiting, part: Part): void {
    let rest: StreamChunk = part;
    for (let [first] = waiting.parts; first !== undefined; [first] = waiting.parts) {
      const before = first.level - rest.offset;
      if (before > 0) {
        const isSplit = before < rest.octets.length;
        this.put(isSplit ? head(rest, before) : rest);
        rest = tail(rest, isSplit ? before : rest.octets.length);
        if (!this.isNext(sessions, first)) break;
      }
      this.putFirst(waiting);
    }
    if (rest.octets.length > 0 || rest.hole > 0) this.takePart(sessions, { ...rest, level: part.level });
  }

  private putFirst(waiting: Waiting): void {
    const part = waiting.parts.shift();
    if (part === undefined) return;
    if (waiting.parts.length === 0) this.waiting.delete(part.stream >>> 1);
    this.octets -= sizeOf(part);
    this.put(part);
  }
}

const sizeOf = ({ octets }: Part): number => octets.length + PART_OCTETS;

/** The first octets of a chunk. */
const head = (chunk: StreamChunk, length: number): StreamChunk => ({
  ...chunk,
  octets: chunk.octets.subarray(0, length),
  final: false,
});

/** The others. */
const tail = (chunk: StreamChunk, length: number): StreamChunk => ({
  ...chunk,
  offset: chunk.offset + length,
  hole: 0,
  octets: chunk.octets.subarray(length),
});
