import type { OutboxRecord, Outcome } from "../outbox/outbox.ts";

/** What a sink has counted since it was opened. */
export interface SinkStats {
  readonly sends: number;
  /** Attempts that were made again. */
  readonly retries: number;
  /** By what the broker, or the way to it, said: `protocol/6`, `network`. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds that all sends took together, retries included. */
  readonly sendMs: number;
  /** When the first certificate in use expires, in milliseconds since 1970; null: none is known. */
  readonly certificateExpiresMs: number | null;
}

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
  /** Lets go of everything it holds; one that must say farewell to somebody waits no longer than `limitMs`. Never rejects. */
  close(limitMs?: number): Promise<void>;
}
