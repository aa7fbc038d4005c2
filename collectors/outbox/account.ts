import type { Counts, GivenUpReason, OutboxStats, RecordClass } from "./outbox.ts";

/** What an `Account` counts; made = acknowledged + the sum of stored + the sum of shed. */
export interface AccountState {
  made: number;
  acknowledged: number;
  /** By class. */
  stored: Record<string, number>;
  /** By `reason/class`. */
  shed: Record<string, number>;
  /** The part of `shed` that a gap record has told. */
  told: Record<string, number>;
  /** When it did, in milliseconds since 1970. */
  toldAtMs: number;
}

/** An account of nothing. */
export const emptyAccount = (): AccountState => ({
  ...{ made: 0, acknowledged: 0, stored: {}, shed: {}, told: {} },
  toldAtMs: Date.now(),
});

/** What became of an outbox's records. Whatever is done to it, what was made adds up. */
export class Account {
  /** Something was counted since somebody set it to false. */
  isChanged = false;
  private readonly state: AccountState;

  /** Counts on in `state`, which is its owner's to keep. */
  constructor(state: AccountState = emptyAccount()) {
    this.state = state;
  }

  /** Records of a class that were made, and are stored. */
  store(recordClass: RecordClass, records: number): void {
    this.state.made += records;
    this.move(recordClass, records);
  }

  /** Stored ones that the sink has taken. */
  acknowledge(recordClass: RecordClass, records: number): void {
    this.move(recordClass, -records);
    this.state.acknowledged += records;
  }

  /** Stored ones that are given up. */
  shed(reason: GivenUpReason, recordClass: RecordClass, records: number): void {
    if (records === 0) return;
    this.move(recordClass, -records);
    this.add(this.state.shed, `${reason}/${recordClass}`, records);
  }

  /** Records that were made, and given up before they were stored, by their labels. */
  lose(shed: Counts): void {
    for (const [label, records] of Object.entries(shed)) {
      this.state.made += records;
      this.add(this.state.shed, label, records);
    }
  }

  storedOf(recordClass: RecordClass): number {
    return this.state.stored[recordClass] ?? 0;
  }

  /** What was shed since `told`, which was called at `sinceMs`, by label. */
  untold(): { shed: Counts; sinceMs: number } {
    const { shed, told, toldAtMs } = this.state;
    const fresh = Object.entries(shed).map(([label, count]) => [label, count - (told[label] ?? 0)] as const);
    return { shed: Object.fromEntries(fresh.filter(([, count]) => count > 0)), sinceMs: toldAtMs };
  }

  /** Marks counts that `untold` returned as told at this time, in milliseconds since 1970. */
  told(shed: Counts, nowMs: number): void {
    this.state.toldAtMs = nowMs;
    for (const [label, count] of Object.entries(shed)) this.add(this.state.told, label, count);
  }

  /** All of it, with what the outbox itself knows of what is stored. */
  stats(stored: Pick<OutboxStats, "storedOctets" | "oldestMs">): OutboxStats {
    const { made, acknowledged, shed } = this.state;
    const sum = Object.values(this.state.stored).reduce((all, records) => all + records, 0);
    return { made, acknowledged, stored: sum, ...stored, shed: { ...shed } };
  }

  private move(recordClass: RecordClass, records: number): void {
    this.add(this.state.stored, recordClass, records);
  }

  private add(counts: Record<string, number>, label: string, records: number): void {
    counts[label] = (counts[label] ?? 0) + records;
    this.isChanged = true;
  }
}
