/** Subflows with an answer that the opener has not acknowledged yet, and their rivals, which are subflows, too. */
export class Unacknowledged {
  /** By first answer: the rival + 2, 1 while there is none, 0: not waiting. By rival: the first answer + 1. */
  private readonly rivals: Uint32Array;
  private readonly firsts: Uint32Array;
  /** By first answer that acknowledges octets of a SYN that was not seen: the last of their numbers. */
  private readonly begins = new Map<number, number>();

  /** @param capacity subflows there can be; takes real memory only as numbers are used */
  constructor(capacity: number) {
    this.rivals = new Uint32Array(capacity);
    this.firsts = new Uint32Array(capacity);
  }

  /** Notes that a subflow has been answered. */
  add(first: number): void {
    this.rivals[first] = 1;
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
    return this.rivals[first] !== 0;
  }

  /** The rival of a subflow, -1 when it has none. */
  rivalOf(first: number): number {
    return Math.max(this.rivals[first]! - 2, -1);
  }

  /** Notes the rival of a subflow. */
  pair(first: number, rival: number): void {
    this.rivals[first] = rival + 2;
    this.firsts[rival] = first + 1;
  }

  /** Forgets a subflow, as which of both it may be. */
  forget(subflow: number): void {
    const first = this.firsts[subflow]!;
    if (first !== 0) this.rivals[first - 1] = 1;
    this.firsts[subflow] = 0;
    const rival = this.rivalOf(subflow);
    if (rival >= 0) this.firsts[rival] = 0;
    this.rivals[subflow] = 0;
    this.begins.delete(subflow);
  }
}
