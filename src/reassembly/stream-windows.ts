import type { OctetRing } from "../octets/octet-ring.ts";
import type { TableUse } from "../pipeline-contract.ts";
import type { NewOctets } from "./new-octets.ts";
import type { OctetMemory } from "./octet-memory.ts";
import { WindowLists } from "./window-lists.ts";

/** Octets of a window, and so the most of a chunk. */
export const WINDOW_OCTETS = 32 * 1024;

/**
 * Octets of streams where they belong: a stream is cut into windows, each copied into memory behind the ring, so that
 * what came in any order lies there in its own. A stream has windows only for octets that wait.
 *
 * A window that is given back is used again as late as may be: `OctetMemory` compares what comes again with it.
 */
export class StreamWindows {
  /** After `put`: the window, and the address in it. */
  window = 0;
  address = 0;
  /** Octets of a window; a power of two. */
  readonly size: number;
  /** Windows of each stream. */
  readonly counts: Uint32Array;
  /** Of each window: the number of the first piece that can lie in it, for `OctetMemory`. */
  readonly since: Uint32Array;
  private readonly ring: OctetRing;
  private readonly memory: OctetMemory;
  private readonly base: number;
  private readonly lists: WindowLists;
  /** Which window of its stream it is. */
  private readonly numbers: Float64Array;
  /** Windows that were given back, the oldest at `oldest`, and how much had been remembered then. */
  private readonly free: Uint32Array;
  private readonly freedAt: Float64Array;
  private oldest = 0;
  private freed = 0;
  private used = 0;

  /**
   * @param ring its memory, which has room for `since.length` windows from `base`
   * @param since part of the array that `memory` looks at; a window's number in it is `firstWindow` higher
   */
  constructor(ring: OctetRing, memory: OctetMemory, streams: number, since: Uint32Array, base: number, size: number) {
    this.ring = ring;
    this.memory = memory;
    this.size = size;
    this.base = base;
    this.since = since;
    this.counts = new Uint32Array(streams);
    this.numbers = new Float64Array(since.length);
    this.lists = new WindowLists(streams, this.numbers);
    this.free = new Uint32Array(since.length);
    this.freedAt = new Float64Array(since.length);
  }

  /**
   * Copies octets behind the first `skip` to where they belong, up to the end of their window; returns how many these are. 0:
   * no window is to be had.
   */
  put(octets: NewOctets, skip: number, address: number): number {
    const { size } = this;
    const { stream } = octets;
    const offset = octets.offset + skip;
    const number = Math.floor(offset / size);
    let window = this.lists.recent[stream]! - 1;
    // Most octets lie where those before them did.
    if (window < 0 || this.numbers[window] !== number) {
      window = this.find(stream, number);
      if (window < 0) return 0;
      this.lists.recent[stream] = window + 1;
    }
    const inside = offset - number * size;
    const length = Math.min(octets.length - skip, size - inside);
    this.window = window;
    this.address = this.base + window * size + inside;
    this.ring.kernel.copy(this.address, address + skip, length);
    return length;
  }

  /** Octets [from, to) of a stream, which lie in one window that it has; valid until the window is given back. */
  octets(stream: number, from: number, to: number): Uint8Array {
    const number = Math.floor(from / this.size);
    const window = this.lists.find(stream, number);
    const at = this.base + window * this.size + (from - number * this.size);
    return this.ring.octets.subarray(at, at + (to - from));
  }

  /** Windows that streams have. */
  get use(): TableUse {
    return { used: this.used - this.freed, bound: this.free.length };
  }

  /** Gives back the windows of a stream that lie wholly below `offset`. */
  releaseBelow(stream: number, offset: number): void {
    const number = Math.floor(offset / this.size);
    const { lists, numbers } = this;
    for (let first = lists.first(stream); first >= 0 && numbers[first]! < number; first = lists.first(stream)) {
      lists.removeFirst(stream);
      this.counts[stream]!--;
      this.free[(this.oldest + this.freed) % this.free.length] = first;
      this.freedAt[first] = this.memory.remembered;
      this.freed++;
    }
  }

  /** Window `number` of a stream, made where it has none yet; -1 when all are in use. */
  private find(stream: number, number: number): number {
    const { lists } = this;
    const found = lists.find(stream, number);
    if (found >= 0) return found;
    const window = this.take();
    if (window < 0) return -1;
    lists.insert(stream, number, window);
    this.counts[stream]!++;
    this.since[window] = this.memory.nextNumber;
    return window;
  }

  private take(): number {
    const { free, memory } = this;
    const window = free[this.oldest]!;
    const isForgotten = this.freed > 0 && memory.remembered - this.freedAt[window]! > memory.limit;
    if (!isForgotten && this.used < free.length) return this.used++;
    if (this.freed === 0) return -1;
    this.oldest = (this.oldest + 1) % free.length;
    this.freed--;
    return window;
  }
}
