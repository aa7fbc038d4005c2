/** Subflows with an answer that the opener has not acknowledged yet, and their rivals, which are subflows, too. */
export class Unacknowledged {
  /** The rival by first answer, or -1; bounded by the table of subflows. */
  private readonly rivals = new Map<number, number>();
  private readonly firsts = new Map<number, number>();
  /** By first answer that acknowledges octets of a SYN that was not seen: the last of their numbers. */
  private readonly begins = new Map<number, number>();

  /** Notes that a subflow has been answered. */
  add(first: number): void {
    this.rivals.set(first, -1);
  }

  /** Notes behind which number the opener's begin if it takes the answer of a subflow, which says more than the SYN. */
  supposeBegin(first: number, number: number): void {
    this.begins.set(first, number);
  }

  /** That number; null where the answer says what the SYN does. */
  beginOf(first: number): number | null {
    return this.begins.get(first) ?? null;
  }

  /** Whether a subflow is answered, and not acknowledged yet. */
  has(first: number): boolean {
    return this.rivals.has(first);
  }

  /** The rival of a subflow, -1 when it has none. */
  rivalOf(first: number): number {
    return this.rivals.get(first) ?? -1;
  }

  /** Notes the rival of a subflow. */
  pair(first: number, rival: number): void {
    this.rivals.set(first, rival);
    this.firsts.set(rival, first);
  }

  /** Forgets a subflow, as which of both it may be. */
  forget(subflow: number): void {
    const first = this.firsts.get(subflow);
    if (first !== undefined) this.rivals.set(first, -1);
    this.firsts.delete(subflow);
    this.firsts.delete(this.rivalOf(subflow));
    this.rivals.delete(subflow);
    this.begins.delete(subflow);
  }
}
