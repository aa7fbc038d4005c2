import type { Writable } from "node:stream";
import type { OutboxRecord, Outcome } from "../outbox/outbox.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Sink } from "./sink.ts";

/** The code of the error by which a `StreamSink` says that nobody reads any more. */
export const READER_GONE = "READER_GONE";

/**
 * Octets written at once, about: a part of what a pipe holds, since those under way are in doubt when its reader stands
 * still.
 */
const PIECE_OCTETS = 16_384;

/** Writes each record as a line to a stream, such as standard output. Values are JSON texts without a line end. */
export class StreamSink implements Sink {
  private readonly stream: Writable;
  private gone: Error | null = null;
  private readonly onError = (error: Error) => {
    this.gone = error;
  };

  constructor(stream: Writable) {
    this.stream = stream;
  }

  async open(): Promise<void> {
    this.stream.on("error", this.onError);
  }

  async send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]> {
    let written = 0;
    while (written < records.length && !signal.aborted) {
      const end = pieceEnd(records, written);
      if (!(await this.write(records.slice(written, end), signal))) break;
      if (this.gone !== null) {
        throw new OperationalError(READER_GONE, `standard output cannot be written: ${this.gone.message}`);
      }
      written = end;
    }
    return records.map((_, n) => (n < written ? "acknowledged" : "unsent"));
  }

  /** Returns whether the stream answered before the signal: false where its reader stands still. */
  private write(piece: readonly OutboxRecord[], signal: AbortSignal): Promise<boolean> {
    const lines = Buffer.concat(piece.flatMap(({ value }) => [value, LINE_END]));
    return new Promise((resolve) => {
      const giveUp = () => resolve(false);
      signal.addEventListener("abort", giveUp, { once: true });
      // The callback comes when the octets are handed on; waiting for it bounds the stream's buffer. A stream that has
      // been destroyed tells the callback only, a broken pipe tells both.
      this.stream.write(lines, (error) => {
        signal.removeEventListener("abort", giveUp);
        if (error) this.gone ??= error;
        resolve(true);
      });
    });
  }

  async close(): Promise<void> {
    // The listener stays: an EPIPE may still arrive, and nobody wants its stack trace.
  }
}

const LINE_END = Buffer.from("\n");

/** The place behind the records that are written together, from one on. */
function pieceEnd(records: readonly OutboxRecord[], from: number): number {
  let end = from;
  for (let octets = 0; end < records.length && octets < PIECE_OCTETS; end++) octets += records[end]?.value.length ?? 0;
  return end;
}
