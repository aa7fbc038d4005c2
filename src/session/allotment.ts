import type { TableUse } from "../pipeline-contract.ts";

/** Room for the rare entries of one kind of all sessions, beside what one session may have of them. */
export class Allotment {
  private readonly most: number;
  private left: number;

  /** @param most entries at a time */
  constructor(most: number) {
    this.most = most;
    this.left = most;
  }

  /** Entries that are kept. */
  get use(): TableUse {
    return { used: this.most - this.left, bound: this.most };
  }

  /** Takes room for an entry; false when there is none: the entry is not kept. */
  take(): boolean {
    if (this.left === 0) return false;
    this.left--;
    return true;
  }

  /** Gives the room of so many entries back. */
  free(entries: number): void {
    this.left += entries;
  }
}
