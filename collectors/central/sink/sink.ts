import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";

/** Where records end up. */
export interface Sink {
  /** Makes ready. Throws an `OperationalError` when the place cannot be used as it is. */
  open(): Promise<void>;
  /**
   * Takes records and returns what became of each. Waits and tries again through an outage, until `signal` is aborted;
   * rejects with an `OperationalError` when no later attempt can succeed. One call at a time.
   */
  send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]>;
  /** Lets go of everything it holds. Never rejects. */
  close(): Promise<void>;
}
