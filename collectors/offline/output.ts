import { once } from "node:events";
import type { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { OperationalError } from "../runtime/errors.ts";

/** Characters that are written together. */
const PIECE = 65_536;

/**
 * Text for standard output, in pieces large enough to be cheap. A reader that goes away (`| head`) is no error: `closed`
 * says so, and what is written after it goes nowhere.
 */
export class Output {
  closed = false;
  private readonly stream: Writable;
  private readonly beforeWrite: () => void;
  private waiting = "";
  private failure: Error | null = null;

  /** `beforeWrite` is called each time before something appears. */
  constructor(stream: Writable, beforeWrite: () => void) {
    this.stream = stream;
    this.beforeWrite = beforeWrite;
    stream.on("error", (error) => {
      this.closed = true;
      if (!("code" in error && error.code === "EPIPE")) this.failure ??= error;
    });
  }

  /** Adds text. Never waits: to a pipe or a file Node writes at once. */
  write(text: string): void {
    this.waiting += text;
    if (this.waiting.length >= PIECE) this.hand();
  }

  /** Writes what waits, and waits while the stream has too much. Throws an OperationalError when it cannot be written to. */
  async flush(): Promise<void> {
    if (this.waiting !== "") this.hand();
    if (this.stream.writableNeedDrain && !this.closed) {
      // The one that did not come leaves its listeners behind unless it is told.
      const over = new AbortController();
      const { signal } = over;
      const waits = ["drain", "close"].map((event) => once(this.stream, event, { signal }));
      await Promise.race(waits).catch(() => {});
      over.abort();
    }
    // A write that failed is known one turn later; and signals want to be let in, for reading itself never waits.
    await setImmediate();
    if (this.failure !== null) {
      throw new OperationalError("output-unwritable", `standard output: cannot be written (${this.failure.message})`);
    }
  }

  private hand(): void {
    const text = this.waiting;
    this.waiting = "";
    if (this.closed) return;
    this.beforeWrite();
    this.stream.write(text);
  }
}
