/** Lines of one kind in a window; further ones are counted, and told when it ends. */
const BURST = 5;
const WINDOW_MS = 10_000;
/** Kinds that are told apart; of further ones the oldest window ends early. */
const MAX_KINDS = 256;

/** A number that is part of no address and no name: those tell whom a line is about. A full stop or a colon may follow it. */
const NUMBER = /(?<![\w.:-])\d+(?!\w|[:-][\w:]|\.\d)/g;

interface Window {
  lines: number;
  /** The last line that was held back. */
  last: string;
  readonly level: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Keeps what goes wrong again and again from filling a log: of each kind of line five in ten seconds, and then one that says
 * how many more there were. Lines are of one kind when they differ in numbers only; an address or a name is none.
 */
export class LogLimit {
  private readonly windows = new Map<string, Window>();
  private readonly tell: (level: number, line: string, more: number) => void;
  private readonly windowMs: number;

  /** @param tell writes a line that is not limited, and says of how many others it tells */
  constructor(tell: (level: number, line: string, more: number) => void, windowMs = WINDOW_MS) {
    this.tell = tell;
    this.windowMs = windowMs;
  }

  /** Whether this line may be written; one that may not is counted. */
  admits(level: number, line: string): boolean {
    const kind = `${level} ${line.replace(NUMBER, "0")}`;
    const window = this.windows.get(kind) ?? this.begin(kind, level);
    window.lines++;
    window.last = line;
    return window.lines <= BURST;
  }

  /** Tells of what was held back, as before the end of a process. */
  flush(): void {
    for (const kind of [...this.windows.keys()]) this.end(kind);
  }

  private begin(kind: string, level: number): Window {
    const [oldest] = this.windows.keys();
    if (this.windows.size >= MAX_KINDS && oldest !== undefined) this.end(oldest);
    // It holds no process that has nothing else to do.
    const timer = setTimeout(() => this.end(kind), this.windowMs).unref();
    const window = { lines: 0, last: "", level, timer };
    this.windows.set(kind, window);
    return window;
  }

  private end(kind: string): void {
    const window = this.windows.get(kind);
    if (window === undefined) return;
    clearTimeout(window.timer);
    this.windows.delete(kind);
    const more = window.lines - BURST;
    if (more > 0) this.tell(window.level, `and ${more} more: ${window.last}`, more);
  }
}
