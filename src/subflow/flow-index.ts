const FIRST_SLOTS = 1024;

/**
 * Finds a record by its flow key: open addressing with linear probing over [tag, record + 1] pairs, at most half full,
 * so that one cache line decides most look-ups. It doubles as records come; its owner bounds their number. The records
 * themselves stay where they are; only pairs move.
 */
export class FlowIndex {
  private slots = new Uint32Array(2 * FIRST_SLOTS);
  private mask = FIRST_SLOTS - 1;
  private length = 0;
  private readonly isSame: (record: number, key: number) => boolean;

  /** @param isSame whether a record has the flow key with this number, for tags that are equal */
  constructor(isSame: (record: number, key: number) => boolean) {
    this.isSame = isSame;
  }

  /**
   * Leaves in `guess` the first record with each of the first `count` hashes, -1 where there is none: mostly the one that
   * `find` finds, so that the records can be loaded before they are compared. Slots are loaded in a loop of their own, so
   * short that the loads overlap. Returns a sum that keeps it from being optimised away.
   */
  guess(hashes: Uint32Array, count: number, guess: Int32Array): number {
    const slots = this.slots;
    const mask = this.mask;
    let sum = 0;
    for (let i = 0; i < count; i++) sum ^= slots[(hashes[i]! & mask) * 2]!;
    for (let i = 0; i < count; i++) {
      const hash = hashes[i]!;
      let at = hash & mask;
      while (slots[at * 2] !== hash && slots[at * 2 + 1] !== 0) at = (at + 1) & mask;
      guess[i] = slots[at * 2 + 1]! - 1;
    }
    return sum;
  }

  /** The record with this hash for which `isSame(record, key)`, or -1. */
  find(hash: number, key: number): number {
    const slots = this.slots;
    for (let i = hash & this.mask; ; i = (i + 1) & this.mask) {
      const record = slots[i * 2 + 1]! - 1;
      if (record < 0) return -1;
      if (slots[i * 2] === hash && this.isSame(record, key)) return record;
    }
  }

  /** Every record with this hash, whether it is the same or not: the caller looks at each. For rare look-ups. */
  candidates(hash: number): number[] {
    const found: number[] = [];
    for (let i = hash & this.mask; this.slots[i * 2 + 1] !== 0; i = (i + 1) & this.mask) {
      if (this.slots[i * 2] === hash) found.push(this.slots[i * 2 + 1]! - 1);
    }
    return found;
  }

  /** Whether a record besides this one has this hash. */
  hasOther(hash: number, record: number): boolean {
    for (let i = hash & this.mask; this.slots[i * 2 + 1] !== 0; i = (i + 1) & this.mask) {
      if (this.slots[i * 2] === hash && this.slots[i * 2 + 1] !== record + 1) return true;
    }
    return false;
  }

  /** Adds a record. The caller has seen that it is not there. */
  insert(hash: number, record: number): void {
    if (++this.length * 2 > this.mask) this.grow();
    this.place(hash, record);
  }

  private place(hash: number, record: number): void {
    const slots = this.slots;
    let i = hash & this.mask;
    while (slots[i * 2 + 1] !== 0) i = (i + 1) & this.mask;
    slots[i * 2] = hash;
    slots[i * 2 + 1] = record + 1;
  }

  /** Takes a record out, if it is there, and closes the gap (backward shift), so that no tombstones pile up. */
  remove(hash: number, record: number): void {
    const slots = this.slots;
    const mask = this.mask;
    let gap = hash & mask;
    for (;;) {
      const found = slots[gap * 2 + 1]!;
      if (found === 0) return;
      if (found === record + 1 && slots[gap * 2] === hash) break;
      gap = (gap + 1) & mask;
    }
    for (let i = (gap + 1) & mask; slots[i * 2 + 1] !== 0; i = (i + 1) & mask) {
      const home = slots[i * 2]! & mask;
      // A pair may move back into the gap when its home does not lie between the gap and where it is.
      if (((i - home) & mask) >= ((i - gap) & mask)) {
        slots[gap * 2] = slots[i * 2]!;
        slots[gap * 2 + 1] = slots[i * 2 + 1]!;
        gap = i;
      }
    }
    slots[gap * 2] = 0;
    slots[gap * 2 + 1] = 0;
    this.length--;
  }

  /** Tags are whole hashes, so that no record need be looked at. */
  private grow(): void {
    const old = this.slots;
    this.slots = new Uint32Array(old.length * 2);
    this.mask = this.mask * 2 + 1;
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) this.place(old[i]!, old[i + 1]! - 1);
  }
}
