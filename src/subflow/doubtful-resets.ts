import * as table from "./subflow-table.ts";

/** A RST, or several in a row, that may be their host's and may be somebody else's. */
interface DoubtfulReset {
  /** Sequence number of the newest. */
  readonly seq: number;
  /** How many there are, and the packets of their direction when the newest came, which it is one of. */
  readonly count: number;
  readonly packets: number;
}

/**
 * RSTs near what was seen of their direction, but not where its peer expects them. Most hosts answer one with a question
 * and go on (RFC 5961 §3.2), which a host that made it itself does not: such a RST holds as long as its direction says
 * nothing more, or has said just what lies before it. It closes nothing, and stands in the record where it holds at the end.
 * By subflow and direction, and gone with the subflow.
 */
export class DoubtfulResets {
  private readonly hot: Uint32Array;
  private readonly resets = new Map<number, DoubtfulReset>();

  constructor(hot: Uint32Array) {
    this.hot = hot;
  }

  /** Takes a doubtful RST of a direction, whose packets it is counted among. Returns how many before it hold no more. */
  add(subflow: number, higher: number, seq: number): number {
    const before = this.resets.get(subflow * 2 + higher);
    const packets = this.packetsOf(subflow, higher);
    const isInRow = before !== undefined && before.packets === packets - 1;
    this.resets.set(subflow * 2 + higher, { seq, packets, count: isInRow ? before.count + 1 : 1 });
    return before === undefined || isInRow ? 0 : before.count;
  }

  /** Whether a RST of this direction holds that is not certain. */
  holds(subflow: number, higher: number): boolean {
    const reset = this.resets.get(subflow * 2 + higher);
    return reset !== undefined && this.isHeld(subflow, higher, reset);
  }

  /** How many RSTs hold no more: what their direction said since shows that its host did not make them. */
  refuted(subflow: number): number {
    let count = 0;
    for (const higher of [0, 1]) {
      const reset = this.resets.get(subflow * 2 + higher);
      if (reset !== undefined && !this.isHeld(subflow, higher, reset)) count += reset.count;
    }
    return count;
  }

  /** A RST of this direction is certain, and so are those just before it. Returns how many of them held no more. */
  settle(subflow: number, higher: number): number {
    const before = this.resets.get(subflow * 2 + higher);
    this.resets.delete(subflow * 2 + higher);
    return before === undefined || before.packets === this.packetsOf(subflow, higher) - 1 ? 0 : before.count;
  }

  /** Forgets a subflow. */
  forget(subflow: number): void {
    this.resets.delete(subflow * 2);
    this.resets.delete(subflow * 2 + 1);
  }

  private isHeld(subflow: number, higher: number, reset: DoubtfulReset): boolean {
    if (reset.packets === this.packetsOf(subflow, higher)) return true;
    const at = table.SubflowTable.direction(subflow, higher);
    // Octets that it had overtaken came, and nothing else.
    return (reset.seq - this.hot[at + table.ISN]!) >>> 0 === this.hot[at + table.NEXT_SSN];
  }

  private packetsOf(subflow: number, higher: number): number {
    return this.hot[table.SubflowTable.direction(subflow, higher) + table.PACKETS]!;
  }
}
