import { AgeList } from "../age-list.ts";
import { LEAP_MICROS } from "../packet-clock.ts";
import type { NewOctets } from "./new-octets.ts";
import type { Patience, StreamChunk } from "./stream-chunk.ts";
import { LINE_NUMBERS, SPARE, StreamRanges } from "./stream-ranges.ts";
import type { StreamWindows } from "./stream-windows.ts";

/** Ranges beyond the first hole of a stream; at the bound the first hole is given up. */
const MAX_RANGES = 4096;

/**
 * In the second spare number of a stream's line, two words: READY where its octets in order wait for more, and how many
 * ranges it has. The first one is the end of what is in order (NEXT).
 */
const NEXT = SPARE;
const READY = 2 * SPARE + 2;
const RANGES = 2 * SPARE + 3;
/**
 * Numbers of a stream in `state`: where what waits in order begins, what is missing before it, since when it and a hole are
 * waited for, and when its newest octets came.
 */
const SENT = 0;
const HOLE = 1;
const READY_SINCE = 2;
const HOLE_SINCE = 3;
const NEWEST = 4;
const STATE_NUMBERS = 5;

/**
 * Streams as chunks, in order, each as soon as its window is full. What lies beyond a hole waits until the hole is filled
 * or its deadline has come; then it goes, and says how much is missing before it. Time passes by `advance` only; what waits
 * does so since the time of its packet.
 *
 * Where there is no window for more, what waits longest in order goes as it is; where nothing does, the hole that was
 * waited for longest is given up.
 */
export class StreamChunks {
  /** Octets that came after the hole they belong to had been given up: they are in no chunk. */
  lateOctets = 0;
  /** Holes that were given up for a bound, before their deadline. */
  shedHoles = 0;
  readonly windows: StreamWindows;
  private readonly emit: (chunk: StreamChunk) => void;
  private readonly patience: Patience;
  private readonly ranges: StreamRanges;
  private readonly lines: Float64Array;
  private readonly words: Uint32Array;
  private readonly state: Float64Array;
  /** Streams with octets in order that wait for more, and streams with a hole: those that wait longest come first. */
  private readonly ready: AgeList;
  private readonly holed: AgeList;
  private now = 0;
  /** Packet time of what is at hand: between two calls of `advance` more than patience may go by. */
  private at = 0;
  /** To what time was last set back. */
  private setBackTo = 0;

  /** @param streams how many streams there can be; they are numbered from 0 */
  constructor(streams: number, windows: StreamWindows, patience: Patience, emit: (chunk: StreamChunk) => void) {
    this.windows = windows;
    this.emit = emit;
    this.patience = patience;
    this.ranges = StreamRanges.ofOwnLines(streams, MAX_RANGES);
    this.lines = this.ranges.near;
    this.words = new Uint32Array(this.lines.buffer, this.lines.byteOffset, this.lines.length * 2);
    this.state = new Float64Array(streams * STATE_NUMBERS);
    this.ready = new AgeList(streams);
    this.holed = new AgeList(streams);
  }

  /**
   * Takes octets behind the first `skip`, as many as lie in one window; returns how many. `address` is where they all lie in
   * the memory of the windows. Afterwards `windows.window` has them at `windows.address`; -1 where they came too late.
   */
  take(octets: NewOctets, skip: number, address: number): number {
    const { lines, words, windows } = this;
    const { stream } = octets;
    const line = stream * LINE_NUMBERS;
    this.at = this.believed(octets.atMicros);
    for (;;) {
      const offset = octets.offset + skip;
      const next = lines[line + NEXT]!;
      if (offset < next) {
        const late = Math.min(octets.length - skip, next - offset);
        this.lateOctets += late;
        windows.window = -1;
        return late;
      }
      const length = windows.put(octets, skip, address);
      if (length === 0 || windows.counts[stream]! > this.patience.windows) {
        // It may be too late for them now.
        if (this.makeRoom(stream, length === 0)) continue;
        this.lateOctets += octets.length - skip;
        windows.window = -1;
        return octets.length - skip;
      }
      const end = offset + length;
      const newest = stream * STATE_NUMBERS + NEWEST;
      if (this.at > this.state[newest]!) this.state[newest] = this.at;
      if (offset === next && words[2 * line + RANGES] === 0) {
        lines[line + NEXT] = end;
        if (words[2 * line + READY] === 0) this.await(stream);
        // Windows that are full go.
        if (end % windows.size === 0) this.send(stream, false);
        return length;
      }
      if (this.place(stream, offset, end)) return length;
    }
  }

  /**
   * Lets packet time pass: holes that waited too long are given up, and octets that wait for a full chunk go. It steps back
   * only where a clock was set back.
   */
  advance(nowMicros: number): void {
    if (nowMicros === this.now) return;
    if (nowMicros < this.now) this.setBackTo = nowMicros;
    this.now = nowMicros;
    this.at = nowMicros;
    const { ready, holed, state } = this;
    for (let stream = holed.oldest; stream >= 0; stream = holed.oldest) {
      if (this.waited(state[stream * STATE_NUMBERS + HOLE_SINCE]!) < this.patience.holeMicros) break;
      this.skipHole(stream);
    }
    for (let stream = ready.oldest; stream >= 0; stream = ready.oldest) {
      if (this.waited(state[stream * STATE_NUMBERS + READY_SINCE]!) < this.patience.chunkMicros) break;
      this.send(stream, false);
    }
  }

  /** For how long what began at `since` has waited; what is of a time ahead, since time was set back, if it was. */
  private waited(since: number): number {
    if (since <= this.now) return this.now - since;
    return this.setBackTo === 0 ? 0 : this.now - this.setBackTo;
  }

  /** The time of a packet, unless `advance` would not have believed it (src/packet-clock.ts) or knows a later one. */
  private believed(atMicros: number): number {
    const ahead = atMicros - this.now;
    return ahead > 0 && ahead < LEAP_MICROS ? atMicros : this.now;
  }

  /** Sends what waits of a stream in order now. */
  flush(stream: number): void {
    if (this.words[2 * stream * LINE_NUMBERS + READY] !== 0) this.send(stream, false);
  }

  /** Gives up what is missing of a stream before `offset`. */
  giveUpBefore(stream: number, offset: number): void {
    const line = stream * LINE_NUMBERS;
    while (this.words[2 * line + RANGES]! > 0 && this.lines[line + NEXT]! < offset) this.skipHole(stream);
    this.flush(stream);
  }

  /** Sends all that waits of a stream now, also beyond holes. It may go on. */
  giveUp(stream: number): void {
    while (this.words[2 * stream * LINE_NUMBERS + RANGES]! > 0) this.skipHole(stream);
    this.flush(stream);
  }

  /** A stream is over: all that waits goes, and the last chunk says that it is. None of a stream without octets. */
  end(stream: number): void {
    const { lines, words } = this;
    const line = stream * LINE_NUMBERS;
    if (lines[line + NEXT] === 0 && words[2 * line + RANGES] === 0) return;
    try {
      while (words[2 * line + RANGES]! > 0) this.skipHole(stream);
      this.send(stream, true);
    } finally {
      this.windows.releaseBelow(stream, Infinity);
      this.ranges.release(stream);
      this.ready.remove(stream);
      this.holed.remove(stream);
      lines.fill(0, line, line + LINE_NUMBERS);
      this.state.fill(0, stream * STATE_NUMBERS, (stream + 1) * STATE_NUMBERS);
    }
  }

  /** Notes [offset, end), where a hole is; false when there are too many: then one was given up. */
  private place(stream: number, offset: number, end: number): boolean {
    const { lines, words, ranges } = this;
    const line = stream * LINE_NUMBERS;
    const known = words[2 * line + RANGES]!;
    if (offset !== lines[line + NEXT]) {
      const count = ranges.add(stream, known, offset, end);
      if (count < 0) {
        this.shedHoles++;
        this.skipHole(stream);
        return false;
      }
      words[2 * line + RANGES] = count;
      if (known === 0) this.awaitHole(stream);
      return true;
    }
    const left = ranges.advance(stream, known, end);
    words[2 * line + RANGES] = left;
    this.reach(stream, ranges.reached);
    // What is left waits for another hole.
    if (left < known) this.awaitHole(stream);
    return true;
  }

  /** All octets up to `end` are there. */
  private reach(stream: number, end: number): void {
    const { lines, windows } = this;
    const next = stream * LINE_NUMBERS + NEXT;
    const { size } = windows;
    // Chunk by chunk: each lies in one window.
    while (lines[next]! < end) {
      lines[next] = Math.min(end, (Math.floor(lines[next]! / size) + 1) * size);
      this.await(stream);
      if (lines[next]! % size === 0) this.send(stream, false);
    }
  }

  /** Octets of a stream wait for more. */
  private await(stream: number): void {
    const word = 2 * stream * LINE_NUMBERS + READY;
    if (this.words[word] !== 0) return;
    if (this.patience.turns) this.flush(stream ^ 1);
    this.words[word] = 1;
    this.state[stream * STATE_NUMBERS + READY_SINCE] = this.at;
    this.ready.add(stream);
  }

  /** Waits for the first hole of a stream from now on, where it has one. */
  private awaitHole(stream: number): void {
    this.state[stream * STATE_NUMBERS + HOLE_SINCE] = this.at;
    if (this.words[2 * stream * LINE_NUMBERS + RANGES] === 0) this.holed.remove(stream);
    else this.holed.add(stream);
  }

  /** Gives the first hole of a stream up. */
  private skipHole(stream: number): void {
    const { lines, words, ranges, state } = this;
    const line = stream * LINE_NUMBERS;
    this.flush(stream);
    const known = words[2 * line + RANGES]!;
    const from = ranges.start(stream, known, 0);
    words[2 * line + RANGES] = ranges.advance(stream, known, from);
    const { reached } = ranges;
    state[stream * STATE_NUMBERS + HOLE]! += from - lines[line + NEXT]!;
    state[stream * STATE_NUMBERS + SENT] = from;
    lines[line + NEXT] = from;
    this.windows.releaseBelow(stream, from);
    this.awaitHole(stream);
    this.reach(stream, reached);
  }

  /** A stream that holds too much gives its first hole up; else somebody makes a window free. False: nobody has one. */
  private makeRoom(stream: number, isFull: boolean): boolean {
    const { ready, holed, words } = this;
    const word = 2 * stream * LINE_NUMBERS;
    if (isFull ? ready.oldest >= 0 : words[word + READY] !== 0 || words[word + RANGES] === 0) {
      this.send(isFull ? ready.oldest : stream, false);
      return true;
    }
    if (isFull && holed.oldest < 0) return false;
    this.shedHoles++;
    this.skipHole(isFull ? holed.oldest : stream);
    return true;
  }

  private send(stream: number, final: boolean): void {
    const { lines, words, state, windows } = this;
    const line = stream * LINE_NUMBERS;
    const at = stream * STATE_NUMBERS;
    const next = lines[line + NEXT]!;
    const offset = state[at + SENT]!;
    const hole = state[at + HOLE]!;
    const octets = offset < next ? windows.octets(stream, offset, next) : NOTHING;
    state[at + SENT] = next;
    state[at + HOLE] = 0;
    words[2 * line + READY] = 0;
    this.ready.remove(stream);
    try {
      this.emit({ stream, offset, hole, octets, atMicros: this.now, newestMicros: state[at + NEWEST]!, final });
    } finally {
      // A window that is not full is given back too, unless it has octets beyond a hole.
      const left = words[2 * line + RANGES]!;
      const beyond = left === 0 ? Infinity : this.ranges.start(stream, left, 0);
      windows.releaseBelow(stream, next % windows.size === 0 ? next : beyond);
    }
  }
}

const NOTHING = new Uint8Array(0);
