import * as table from "./subflow-row.ts";

/** A RST, or several in a row, that may be their host's and may be somebody else's. */
interface DoubtfulReset {
  /** Sequence number of the newest. */
  readonly seq: number;
  /** How many there are, and the packets of their direction when the newest came, which it is one of. */
  readonly count: number;
  readonly packets: number;
  /** Which of all rows it is. */
  readonly row: number;
}

/**
 * RSTs near what was seen of their direction, but not where its peer expects them. Most hosts answer one with a question
 * and go on (RFC 5961 §3.2), which a host that made it itself does not: such a RST holds as long as its direction says
 * nothing more, or has said just what lies before it. It closes nothing, and stands in the record where it holds at the end.
 * By subflow and direction, and gone with the subflow.
 */
export class DoubtfulResets {
  private readonly hot: Uint32Array;
  private readonly implausible: ReadonlyMap<number, number>;
  private readonly resets = new Map<number, DoubtfulReset>();
  private rows = 0;

  /**
   * @param hot of the subflow table
   * @param implausible by subflow: segments that somebody made up
   */
  constructor(hot: Uint32Array, implausible: ReadonlyMap<number, number>) {
    this.hot = hot;
    this.implausible = implausible;
  }

  /** Takes a doubtful RST of a direction, whose packets it is counted among. Returns how many before it hold no more. */
  add(subflow: number, higher: number, seq: number): number {
    const before = this.resets.get(subflow * 2 + higher);
    const packets = this.packetsOf(subflow, higher);
    const hasHeld = before !== undefined && this.isHeld(subflow, higher, before, packets - 1);
    const [count, row] = hasHeld ? [before.count + 1, before.row] : [1, this.rows++];
    this.resets.set(subflow * 2 + higher, { seq, count, packets, row });
    return before === undefined || hasHeld ? 0 : before.count;
  }

  /** Whose RST that is not certain holds, the first where both's do: the lower (0) or higher (1) endpoint's; null: none. */
  by(subflow: number): 0 | 1 | null {
    const isByLower = this.holds(subflow, 0);
    if (!this.holds(subflow, 1)) return isByLower ? 0 : null;
    const rowOf = (higher: number): number => this.resets.get(subflow * 2 + higher)?.row ?? 0;
    return isByLower && rowOf(0) < rowOf(1) ? 0 : 1;
  }

  /** How many RSTs hold no more: what their direction said since shows that its host did not make them. */
  refuted(subflow: number): number {
    let count = 0;
    for (const higher of [0, 1])
      if (!this.holds(subflow, higher)) count += this.resets.get(subflow * 2 + higher)?.count ?? 0;
    return count;
  }

  /** A RST of this direction is certain, and so are those before it that hold. Returns how many of them held no more. */
  settle(subflow: number, higher: number): number {
    const before = this.resets.get(subflow * 2 + higher);
    this.resets.delete(subflow * 2 + higher);
    if (before === undefined || this.isHeld(subflow, higher, before, this.packetsOf(subflow, higher) - 1)) return 0;
    return before.count;
  }

  /** Forgets a subflow. */
  forget(subflow: number): void {
    this.resets.delete(subflow * 2);
    this.resets.delete(subflow * 2 + 1);
  }

  /** Whether a RST of this direction holds that is not certain. */
  private holds(subflow: number, higher: number): boolean {
    const reset = this.resets.get(subflow * 2 + higher);
    return reset !== undefined && this.isHeld(subflow, higher, reset, this.packetsOf(subflow, higher));
  }

  /** Whether a RST holds when its direction has so many packets. */
  private isHeld(subflow: number, higher: number, reset: DoubtfulReset, packets: number): boolean {
    if (reset.packets === packets) return true;
    const { hot } = this;
    const isNumbered = (hot[subflow * table.HOT_WORDS + table.STATE]! & (table.STATE_ISN << higher)) !== 0;
    // Segments that somebody made up move numbers to where a RST of the same hand lies.
    if (!isNumbered || this.implausible.has(subflow)) return false;
    const at = table.direction(subflow, higher);
    // Octets that it had overtaken came, and nothing else.
    return (reset.seq - hot[at + table.ISN]!) >>> 0 === hot[at + table.NEXT_SSN];
  }

  private packetsOf(subflow: number, higher: number): number {
    return this.hot[table.direction(subflow, higher) + table.PACKETS]!;
  }
}
