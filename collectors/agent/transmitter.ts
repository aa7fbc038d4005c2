/** Octets of all places together; a place is as long as the longest copy. */
export const ARENA_OCTETS = 8 * 2 ** 20;
/** Places at a time: what one block of a packet ring can ask for at once, and then some. */
export const MAX_PLACES = 4096;
/** Copies that are under way when a transmitter closes get this long. */
const CLOSE_MS = 2000;

/** What became of copies since the start. `sent + failed` are those given to `send` and no longer under way. */
export interface TransmitterCounters {
  /** Copies that the kernel took. */
  readonly sent: number;
  readonly sentOctets: number;
  /** Copies that the kernel refused, such as with ENOBUFS. */
  readonly failed: number;
  /** Errors that came back for copies sent before: nobody listens there (ICMP port unreachable). Each tells of one copy at least. */
  readonly refused: number;
  /** Errors that came back because a router on the way has a smaller MTU than was known (ICMP); each is of one lost copy. */
  readonly tooLong: number;
  /** Name of the error of the latest copy that failed; null when there was none. */
  readonly lastError: string | null;
}

/** Sends copies to the collector. Never blocks and never throws: what cannot be sent is counted. */
export interface Transmitter {
  /** Most octets of a copy; see `widen`. */
  readonly capacity: number;
  readonly counters: TransmitterCounters;
  /** A place of `capacity` octets to write the next copy to; null when every place is under way, and the copy is lost. */
  reserve(): Uint8Array | null;
  /** Sends the first `length` octets of the place reserved last, at the next `flush` at the latest. */
  send(length: number): void;
  /** To be called after the copies of a vector. */
  flush(): void;
  /** To be told that longer copies go through now: places hold `capacity` octets from then on, unless one is under way. */
  widen(capacity: number): void;
  /** Resolves when at least half of the places are free: for senders that can wait, which traffic cannot. */
  room(): Promise<void>;
  /** Waits a little for copies under way, counts the rest as failed and closes the socket. */
  close(): Promise<void>;
}

/** A socket that sends octets of its arena and says with `done` how it went: null, or the name of the error. */
export interface SendSocket {
  /** Errors that came back for copies sent before: nobody there takes them. */
  readonly refused: number;
  /** The same because they were too long for the path. */
  readonly tooLong: number;
  /** ARENA_OCTETS from which copies are sent, good until `close`. */
  readonly arena: Uint8Array;
  /** Sends `length` octets from `at`, at once or at the next `flush`; at most MAX_PLACES of them are under way. */
  send(at: number, length: number, done: (error: string | null) => void): void;
  flush(): void;
  /** To be told that longer copies go through than before: what was found out about the way may no longer hold. */
  retry(): void;
  close(): void;
}

/**
 * A transmitter over a socket that reads a copy's octets until it is sent. The bounded send queue is the socket's arena,
 * in equal places.
 */
export class QueuedTransmitter implements Transmitter {
  capacity = 0;
  private sent = 0;
  private sentOctets = 0;
  private failed = 0;
  private lastError: string | null = null;
  private readonly socket: SendSocket;
  private places: readonly Uint8Array[] = [];
  private done: readonly ((error: string | null) => void)[] = [];
  private lengths = new Uint32Array(0);
  /** Free places, a stack. */
  private free = new Uint16Array(0);
  private freeCount = 0;
  private waiting: { readonly places: number; readonly resolve: () => void }[] = [];

  /** `capacity` is the most octets of a copy, 1 to 65,535. */
  constructor(socket: SendSocket, capacity: number) {
    this.socket = socket;
    this.divide(capacity);
  }

  private divide(capacity: number): void {
    const { socket } = this;
    this.capacity = capacity;
    const count = Math.min(MAX_PLACES, Math.floor(ARENA_OCTETS / capacity));
    const numbers = Array.from({ length: count }, (_, place) => place);
    this.places = numbers.map((place) => socket.arena.subarray(place * capacity, (place + 1) * capacity));
    this.done = numbers.map((place) => (error) => this.finished(place, error));
    this.lengths = new Uint32Array(count);
    this.free = Uint16Array.from(numbers.toReversed());
    this.freeCount = count;
  }

  get counters(): TransmitterCounters {
    const { sent, sentOctets, failed, lastError } = this;
    return { sent, sentOctets, failed, refused: this.socket.refused, tooLong: this.socket.tooLong, lastError };
  }

  reserve(): Uint8Array | null {
    if (this.freeCount === 0) return null;
    return this.places[this.free[this.freeCount - 1] ?? 0] ?? null;
  }

  send(length: number): void {
    const place = this.free[--this.freeCount] ?? 0;
    this.lengths[place] = length;
    const done = this.done[place];
    if (done !== undefined) this.socket.send(place * this.capacity, length, done);
  }

  flush(): void {
    this.socket.flush();
  }

  widen(capacity: number): void {
    this.socket.retry();
    const isIdle = this.freeCount === this.places.length;
    if (capacity > this.capacity && isIdle) this.divide(capacity);
  }

  room(): Promise<void> {
    return this.freed(Math.ceil(this.places.length / 2));
  }

  async close(): Promise<void> {
    this.flush();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.freed(this.places.length), limit]);
    clearTimeout(timer);
    const left = this.places.length - this.freeCount;
    if (left > 0) {
      this.failed += left;
      this.lastError = "closed";
    }
    // The places go with the socket's memory.
    this.freeCount = 0;
    this.socket.close();
  }

  private freed(places: number): Promise<void> {
    if (this.freeCount >= places) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ places, resolve }));
  }

  private finished(place: number, error: string | null): void {
    if (error === null) {
      this.sent++;
      this.sentOctets += this.lengths[place] ?? 0;
    } else {
      this.failed++;
      this.lastError = error;
    }
    this.free[this.freeCount++] = place;
    if (this.waiting.length === 0) return;
    const ready = this.waiting.filter(({ places }) => this.freeCount >= places);
    this.waiting = this.waiting.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }
}
