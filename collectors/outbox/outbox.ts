/**
 * Classes of records, the first to be shed first: a later record repeats what an update said, and the end of a session
 * repeats all of it. A finding is made once, and a gap record tells what was shed. Chunks of streams are most of what
 * there is, and say nothing of the others.
 */
export const RECORD_CLASSES = ["chunk", "updated", "opened", "ledger", "ended", "finding", "gap"] as const;
/** An entry of RECORD_CLASSES. */
export type RecordClass = (typeof RECORD_CLASSES)[number];

/**
 * Why a record is given up: a bound of the outbox is met, it is too old, the disk takes none or gave back something else,
 * the delivery's thread takes none, the sink never will, the end came first, or it was made behind the end.
 */
export const GIVEN_UP_REASONS = [
  "full",
  "old",
  "disk",
  "damaged",
  "handover",
  "refused",
  "abandoned",
  "closed",
] as const;
/** An entry of GIVEN_UP_REASONS. */
export type GivenUpReason = (typeof GIVEN_UP_REASONS)[number];

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

/** Counts by label, such as `full/updated` (reason and class); what did not occur is absent. */
export type Counts = Readonly<Record<string, number>>;

/**
 * Counts since the outbox was made: made = acknowledged + stored + the sum of shed. One in memory is made when its
 * process starts, one on disk once.
 */
export interface OutboxStats {
  readonly made: number;
  readonly acknowledged: number;
  /** In the outbox now, records under way included. */
  readonly stored: number;
  readonly storedOctets: number;
  /** How long the oldest record has been stored, at least; 0 where none is. */
  readonly oldestMs: number;
  readonly shed: Counts;
}

/** What a sink is given at once. */
export interface Batch {
  readonly records: readonly OutboxRecord[];
  /** Number of the outbox's record behind the last of these: what is below it is settled when all of these are. */
  readonly position: number;
}

/**
 * The queue between the packet path and a sink. One reader: the batch that `read` returned stays as it is until
 * `settle`, whatever the queue must shed meanwhile.
 */
export interface Outbox {
  /** Infinite where octets alone are bounded. */
  readonly maxRecords: number;
  /** Takes records. Never waits and never throws: meeting a bound sheds records by class and counts them. */
  append(records: readonly OutboxRecord[]): void;
  /** Counts records that were made, and that somebody before the outbox had to shed, by their labels. */
  lose(shed: Counts): void;
  /** The oldest records, at most so many and (beyond the first) so many octets; waits for one. Null: closed and empty. */
  read(maxRecords: number, maxOctets: number): Promise<Batch | null>;
  /** Ends the batch that `read` returned: one outcome per record. Unsent records are the first of the next batch. */
  settle(outcomes: readonly Outcome[]): void;
  /** Takes no more records; what is stored can still be read. */
  close(): void;
  /** Gives up what is still stored: sheds it where it cannot outlive the process. */
  abandon(): void;
  stats(): OutboxStats;
  /** What was shed since `told`, which was called at `sinceMs`, by label. */
  untold(): { readonly shed: Counts; readonly sinceMs: number };
  /** Marks counts that `untold` returned as told at this time, in milliseconds since 1970. */
  told(shed: Counts, nowMs: number): void;
}
