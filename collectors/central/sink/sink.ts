import type { SinkStats } from "../../delivery/delivery.ts";
import type { OutboxRecord, Outcome } from "../../outbox/outbox.ts";

/** Where records end up. */
export interface Sink {
  /** Makes ready. Throws an `OperationalError` when the place cannot be used as it is. */
  open(): Promise<void>;
  /**
   * Takes records and returns what became of each. Waits and tries again through an outage, until `signal` is aborted;
   * rejects with an `OperationalError` when no later attempt can succeed. One call at a time. Only at the signal a record
   * is `unsent`. `position` is where the outbox will be when all of these are settled.
   */
  send(records: readonly OutboxRecord[], signal: AbortSignal, position: number): Promise<Outcome[]>;
  /** How far it has the records of an outbox, as a sink that remembers positions knows. Once, after `open`. */
  committed?(outboxId: string): Promise<number | null>;
  stats?(): SinkStats;
  /** Lets go of everything it holds. Never rejects. */
  close(): Promise<void>;
}
