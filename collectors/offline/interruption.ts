import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Who brings signals: the process, or a test's emitter. */
interface Signals {
  once(name: (typeof SIGNALS)[number], listener: () => void): unknown;
  off(name: (typeof SIGNALS)[number], listener: () => void): unknown;
}

/**
 * The first SIGINT or SIGTERM as the end of what is read. It listens to none until `listen`, and after the first to none
 * again: a second one ends the process as a signal does that nobody listens to, whatever it is at.
 */
export class Interruption {
  /** Which signal ended what is read; null where none did, also where one came when all was read. */
  signal: (typeof SIGNALS)[number] | null = null;
  private came: (typeof SIGNALS)[number] | null = null;
  private readonly signals: Signals | null;
  private readonly onInterrupt = () => this.interrupt("SIGINT");
  private readonly onTerminate = () => this.interrupt("SIGTERM");
  private wake: () => void = () => {};

  /** Null for a reading that no signal ends. */
  constructor(signals: Signals | null) {
    this.signals = signals;
  }

  /** The exit status that a shell expects after the signal: 128 and its number; 0 where none ended anything. */
  get exitStatus(): number {
    return this.signal === null ? 0 : 128 + constants.signals[this.signal];
  }

  /** Takes the next signal. */
  listen(): void {
    this.signals?.once("SIGINT", this.onInterrupt);
    this.signals?.once("SIGTERM", this.onTerminate);
  }

  /** Leaves signals to whoever else takes them. */
  release(): void {
    this.signals?.off("SIGINT", this.onInterrupt);
    this.signals?.off("SIGTERM", this.onTerminate);
  }

  /** What `work` resolves to, or `otherwise` as soon as a signal comes; one at a time. What was begun is left to itself then. */
  async before<T>(work: Promise<T>, otherwise: T): Promise<T> {
    // Not Promise.race: what waits for one promise as long as a capture lasts would hold a piece of each read.
    return new Promise((resolve, reject) => {
      this.wake = () => {
        this.signal = this.came;
        resolve(otherwise);
      };
      if (this.came !== null) this.wake();
      work.then(resolve, reject).finally(() => {
        this.wake = () => {};
      });
    });
  }

  private interrupt(signal: (typeof SIGNALS)[number]): void {
    this.came = signal;
    this.release();
    this.wake();
  }
}
