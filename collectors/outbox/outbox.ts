/**
 * Classes of records, the first to be shed first: a later record repeats what an update said, and the end of a session
 * repeats all of it. A finding is made once. Chunks of streams are most of what there is, and say nothing of the others.
 */
export const RECORD_CLASSES = ["chunk", "updated", "opened", "ledger", "ended", "finding"] as const;
/** An entry of RECORD_CLASSES. */
export type RecordClass = (typeof RECORD_CLASSES)[number];

/** One encoded record on its way to a sink. */
export interface OutboxRecord {
  readonly recordClass: RecordClass;
  readonly topic: string;
  /** Records of one key reach the sink in the order in which they were appended. */
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** What became of a record that a sink was given. `refused` is for good: the sink will never take it. */
export type Outcome = "acknowledged" | "refused" | "unsent";

/** Counts since the start; made = acknowledged + stored + the sum of shed. */
export interface OutboxStats {
  readonly made: number;
  readonly acknowledged: number;
  /** In the outbox now, records under way included. */
  readonly stored: number;
  readonly storedOctets: number;
  /** By `reason/class`, such as `full/updated`; what did not occur is absent. */
  readonly shed: Readonly<Record<string, number>>;
}

/**
 * The queue between the packet path and a sink. One reader: the batch that `read` returned stays as it is until
 * `settle`, whatever the queue must shed meanwhile.
 */
export interface Outbox {
  /** Takes records. Never waits and never throws: meeting a bound sheds records by class and counts them. */
  append(records: readonly OutboxRecord[]): void;
  /** The oldest records, at most so many and (beyond the first) so many octets; waits for one. Null: closed and empty. */
  read(maxRecords: number, maxOctets: number): Promise<readonly OutboxRecord[] | null>;
  /** Ends the batch that `read` returned: one outcome per record. Unsent records are the first of the next batch. */
  settle(outcomes: readonly Outcome[]): void;
  /** Takes no more records; what is stored can still be read. */
  close(): void;
  /** Gives up what is still stored: sheds it where it cannot outlive the process. */
  abandon(): void;
  stats(): OutboxStats;
}
