import type { OutboxRecord, OutboxStats } from "../outbox/outbox.ts";
import type { SinkStats } from "../sink/sink.ts";

/** The outbox's account and the sink's. */
export interface DeliveryStats extends OutboxStats {
  /** Null: this sink counts nothing. */
  readonly sink: SinkStats | null;
}

/** At the end sessions come in portions of at most this: no more records are made before the outbox is asked for room. */
export const END_PORTION = 5000;

/** The way of records from the pipeline to their sink: an outbox and whoever empties it, on this thread or another. */
export interface Delivery {
  /** So many records may be appended before `waiting` is asked again, and none is shed for it. */
  readonly portion: number;
  /** Resolves with the error when the sink will take no more; the delivery still wants to be stopped. */
  readonly failure: Promise<unknown>;
  /** Makes ready. Throws an `OperationalError` when outbox or sink cannot be had. */
  open(): Promise<void>;
  /** Takes records. Never waits and never throws. */
  append(records: readonly OutboxRecord[]): void;
  /** Records that were appended and take up room which bounds how many can be. */
  waiting(): number;
  stats(): DeliveryStats;
  /** Logs from now on what is of this level, or above; there where it has a log of its own. */
  logAt?(level: string): void;
  /** Takes no more records, and carries what there is for at most about so long. Never rejects. */
  stop(limitMs: number): Promise<void>;
}
