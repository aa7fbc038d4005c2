/** Octets of all copies under way together. */
export const ARENA_OCTETS = 8 * 2 ** 20;
/** Octets the kernel is asked to hold for sending; it grants less where net.core.wmem_max is lower. */
export const SEND_BUFFER_OCTETS = 4 * 2 ** 20;
/** Copies under way at a time: what one block of a packet ring can ask for at once, and then some. */
export const MAX_PLACES = 4096;
/** A copy takes as many of these pieces of the arena, in a row, as it has octets for: most fit into one. */
const PIECE_OCTETS = ARENA_OCTETS / MAX_PLACES;
/** Copies that are under way when a transmitter closes get this long. */
const CLOSE_MS = 2000;

/** What became of copies since the start. `sent + failed` are those given to `send` and no longer under way. */
export interface TransmitterCounters {
  /** Copies that the kernel took. */
  readonly sent: number;
  readonly sentOctets: number;
  /** Copies that the kernel refused, such as with ENOBUFS. */
  readonly failed: number;
  /**
   * Errors that came back for copies sent before: nobody listens there (ICMP port unreachable). Each tells of one copy at
   * least.
   */
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
  /** `capacity` octets to write the next copy to; null when so many in a row are not free, and the copy is lost. */
  reserve(): Uint8Array | null;
  /** Sends the first `length` octets of the place reserved last, at the next `flush` at the latest. */
  send(length: number): void;
  /** To be called after the copies of a vector. */
  flush(): void;
  /** To be told that longer copies go through: `reserve` has `capacity` octets from then on, unless a copy is under way. */
  widen(capacity: number): void;
  /** Resolves when at least half of the arena is free: for senders that can wait, which traffic cannot. */
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
 * A transmitter over a socket that reads a copy's octets until it is sent. The bounded send queue is the socket's arena, a
 * ring of pieces: a copy holds what its length takes, and not what the longest could, as long as it or one before it is
 * under way.
 */
export class QueuedTransmitter implements Transmitter {
  capacity = 0;
  private sent = 0;
  private sentOctets = 0;
  private failed = 0;
  private lastError: string | null = null;
  private readonly socket: SendSocket;
  /** What `reserve` gives, by the piece that it begins at; none where it would go beyond the arena's end. */
  private rooms: readonly Uint8Array[] = [];
  /** Pieces that a copy of `capacity` takes. */
  private most = 0;
  /** The piece at which the next copy begins, how many are held up to there, and how many it leaves out at the arena's end. */
  private next = 0;
  private held = 0;
  private leftOut = 0;
  /** Copies that hold pieces, a ring: `copies` of them from `first` on, of which `underWay` are not done. */
  private first = 0;
  private copies = 0;
  private underWay = 0;
  private isClosed = false;
  private readonly lengths = new Uint32Array(MAX_PLACES);
  private readonly pieces = new Uint16Array(MAX_PLACES);
  /** Of those behind the first. */
  private readonly isDone = new Uint8Array(MAX_PLACES);
  private readonly done: readonly ((error: string | null) => void)[];
  private waiting: { readonly pieces: number; readonly resolve: () => void }[] = [];

  /** `capacity` is the most octets of a copy, 1 to 65,536. */
  constructor(socket: SendSocket, capacity: number) {
    this.socket = socket;
    this.done = Array.from({ length: MAX_PLACES }, (_, copy) => (error) => this.finished(copy, error));
    this.divide(capacity);
  }

  private divide(capacity: number): void {
    const { arena } = this.socket;
    this.capacity = capacity;
    this.most = Math.ceil(capacity / PIECE_OCTETS);
    this.rooms = Array.from({ length: MAX_PLACES - this.most + 1 }, (_, piece) =>
      arena.subarray(piece * PIECE_OCTETS, piece * PIECE_OCTETS + capacity),
    );
  }

  get counters(): TransmitterCounters {
    const { sent, sentOctets, failed, lastError } = this;
    return { sent, sentOctets, failed, refused: this.socket.refused, tooLong: this.socket.tooLong, lastError };
  }

  reserve(): Uint8Array | null {
    const toEnd = MAX_PLACES - this.next;
    this.leftOut = toEnd < this.most ? toEnd : 0;
    if (MAX_PLACES - this.held - this.leftOut < this.most) return null;
    return this.rooms[this.leftOut > 0 ? 0 : this.next] ?? null;
  }

  send(length: number): void {
    const { leftOut } = this;
    const at = leftOut > 0 ? 0 : this.next;
    // A copy of nothing holds one, too.
    const pieces = length > PIECE_OCTETS ? Math.ceil(length / PIECE_OCTETS) : 1;
    const copy = (this.first + this.copies++) % MAX_PLACES;
    this.underWay++;
    this.lengths[copy] = length;
    this.pieces[copy] = leftOut + pieces;
    this.held += leftOut + pieces;
    this.next = (at + pieces) % MAX_PLACES;
    this.leftOut = 0;
    const done = this.done[copy];
    if (done !== undefined) this.socket.send(at * PIECE_OCTETS, length, done);
  }

  flush(): void {
    this.socket.flush();
  }

  widen(capacity: number): void {
    this.socket.retry();
    if (capacity > this.capacity && this.copies === 0) this.divide(capacity);
  }

  room(): Promise<void> {
    return this.freed(MAX_PLACES / 2);
  }

  async close(): Promise<void> {
    this.flush();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.freed(MAX_PLACES), limit]);
    clearTimeout(timer);
    if (this.underWay > 0) {
      this.failed += this.underWay;
      this.lastError = "closed";
    }
    this.isClosed = true;
    // The pieces go with the socket's memory; nobody waits for them any more.
    this.held = MAX_PLACES;
    for (const { resolve } of this.waiting.splice(0)) resolve();
    this.socket.close();
  }

  private freed(pieces: number): Promise<void> {
    if (MAX_PLACES - this.held >= pieces) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ pieces, resolve }));
  }

  private finished(copy: number, error: string | null): void {
    // What a socket says after it was closed: the copy was counted as failed.
    if (this.isClosed) return;
    if (error === null) {
      this.sent++;
      this.sentOctets += this.lengths[copy] ?? 0;
    } else {
      this.failed++;
      this.lastError = error;
    }
    this.underWay--;
    if (copy === this.first) this.release();
    else this.isDone[copy] = 1;
    // The same pieces again and again stay in the cache.
    if (this.copies === 0) this.next = 0;
    if (this.waiting.length === 0) return;
    const free = MAX_PLACES - this.held;
    const ready = this.waiting.filter(({ pieces }) => free >= pieces);
    this.waiting = this.waiting.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }

  /** The first copy's pieces are free, and those of copies behind it that were done before it. */
  private release(): void {
    do {
      this.held -= this.pieces[this.first] ?? 0;
      this.isDone[this.first] = 0;
      this.first = (this.first + 1) % MAX_PLACES;
      this.copies--;
    } while (this.copies > 0 && this.isDone[this.first] === 1);
  }
}
