import type { Outbox } from "../outbox/outbox.ts";
import { within } from "../runtime/within.ts";
import type { Sink } from "../sink/sink.ts";

/** What a sink is given at once: enough to fill the network's round trip, little enough to be sent again. */
const BATCH_RECORDS = 2000;
const BATCH_OCTETS = 4 * 1024 * 1024;
/** A sink that is told to stop waiting gets this long to do so, and no more than this part of the time there is. */
const ABORT_LIMIT_MS = 2000;
const ABORT_SHARE = 1 / 4;

/** Carries records from an outbox to a sink, one batch at a time, until the outbox is closed and empty. */
export class Pump {
  private readonly outbox: Outbox;
  private readonly sink: Sink;
  private readonly abort = new AbortController();
  private abandoned = false;
  private readonly running: Promise<void>;

  /** Begins to carry. `onFailure` is called when the sink will take no more, with its error. */
  constructor(outbox: Outbox, sink: Sink, onFailure: (error: unknown) => void) {
    this.outbox = outbox;
    this.sink = sink;
    this.running = this.run().catch(onFailure);
  }

  /** Closes the outbox and carries what it holds, for at most `limitMs`; then gives up the rest. */
  async stop(limitMs: number): Promise<void> {
    this.outbox.close();
    const abortMs = Math.min(ABORT_LIMIT_MS, limitMs * ABORT_SHARE);
    await within(this.running, limitMs - abortMs);
    this.abort.abort();
    await within(this.running, abortMs);
    this.abandoned = true;
    this.outbox.abandon();
  }

  private async run(): Promise<void> {
    while (!this.abort.signal.aborted) {
      const batch = await this.outbox.read(BATCH_RECORDS, BATCH_OCTETS);
      if (batch === null) return;
      const outcomes = await this.sink.send(batch.records, this.abort.signal, batch.position);
      // An answer after the limit finds its batch counted as shed already.
      if (this.abandoned) return;
      this.outbox.settle(outcomes);
    }
  }
}
