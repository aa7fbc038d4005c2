import type { Writable } from "node:stream";
import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";
import { OperationalError } from "../../runtime/errors.ts";
import type { Sink } from "./sink.ts";

/** The code of the error by which a `StreamSink` says that nobody reads any more. */
export const READER_GONE = "READER_GONE";

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

  async send(records: readonly OutboxRecord[]): Promise<Outcome[]> {
    const lines: Uint8Array[] = [];
    for (const { value } of records) lines.push(value, LINE_END);
    // The callback comes when the octets are handed on; waiting for it bounds the stream's buffer. A stream that has
    // been destroyed tells the callback only, a broken pipe tells both.
    await new Promise<void>((resolve) => {
      this.stream.write(Buffer.concat(lines), (error) => {
        if (error) this.gone ??= error;
        resolve();
      });
    });
    if (this.gone !== null) {
      throw new OperationalError(READER_GONE, `standard output cannot be written: ${this.gone.message}`);
    }
    return records.map(() => "acknowledged");
  }

  async close(): Promise<void> {
    // The listener stays: an EPIPE may still arrive, and nobody wants its stack trace.
  }
}

const LINE_END = Buffer.from("\n");
