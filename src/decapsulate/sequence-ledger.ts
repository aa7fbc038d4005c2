/** Sequence numbers behind the newest one that can still be told "late" from "duplicate"; further back is a restart. */
const WINDOW = 1024;
/** A jump ahead of more is no loss: a sender that began anew, or a number that went bad on the way. */
const MAX_LOSS = 2 ** 24;
/** So many consecutive numbers that were all seen are a sender that began again, whose first copies were lost. */
const RESTART_RUN = 32;

/** How far a `SequenceLedger` was at a moment; `lost` has what was missing up to the last. */
export interface SequenceMark {
  readonly received: number;
  readonly lost: number;
  readonly duplicate: number;
  readonly restarted: number;
}

/**
 * Counts what the sequence numbers of one sender's GRE stream tell (RFC 2890 §2.2: one numbering per key and sender,
 * modulo 2^32, the first packet being 0). A number skipped is lost until it comes late.
 */
export class SequenceLedger {
  lost = 0;
  late = 0;
  duplicate = 0;
  restarted = 0;
  /** Numbers that came, each once. */
  received = 0;
  /** What had come, and was lost, before the present numbering began. */
  numbering = { received: 0, lost: 0 };
  /** The number that the sender says is the last of its numbering; -1: it said none. */
  last = -1;
  private newest = -1;
  /** The newest duplicate's number, and how many consecutive ones came up to it without another packet between. */
  private again = -1;
  private run = 0;
  /** One bit for each of the WINDOW numbers up to `newest`, at number modulo WINDOW: seen. */
  private readonly seen = new Uint32Array(WINDOW / 32);

  /** Takes the next packet's number, 0 to 2^32 - 1. */
  count(sequence: number): void {
    // What nearly every packet is: the next one. As below, written out; 0 may be a beginning.
    if (sequence === this.newest + 1 && sequence !== 0) {
      this.run = 0;
      this.received++;
      this.newest = sequence;
      this.see(sequence);
      return;
    }
    if (this.newest < 0) {
      this.begin(sequence, 1);
      return;
    }
    const ahead = (sequence - this.newest) | 0;
    if (ahead > MAX_LOSS || ahead <= -WINDOW) {
      this.restarted++;
      this.begin(sequence, 1);
      return;
    }
    if (ahead <= 0 && this.isSeen(sequence)) {
      this.countAgain(sequence);
      return;
    }
    this.run = 0;
    this.received++;
    if (ahead > 0) {
      this.lost += ahead - 1;
      if (ahead >= WINDOW) this.seen.fill(0);
      else for (let step = 1; step < ahead; step++) this.clear(this.newest + step);
      this.newest = sequence;
      this.see(sequence);
    } else {
      this.late++;
      this.lost--;
      this.see(sequence);
    }
  }

  /** Numbers behind the newest that are missing up to the last: there is nothing to show a gap. None where it lies far ahead. */
  missing(): number {
    const ahead = (this.last - this.newest) | 0;
    return this.last >= 0 && this.newest >= 0 && ahead > 0 && ahead <= MAX_LOSS ? ahead : 0;
  }

  /** What `restartSince` wants to know of this moment. */
  mark(): SequenceMark {
    const { received, duplicate, restarted } = this;
    return { received, lost: this.lost + this.missing(), duplicate, restarted };
  }

  /**
   * Begins anew at this number, which has come: its sender says that it did, at some time after the mark, and where the numbers
   * themselves have not shown it. What came since the mark is then of the new numbering, and what seemed to come again came once.
   */
  restartSince(mark: SequenceMark, sequence: number): void {
    if (this.restarted !== mark.restarted) return;
    this.restarted++;
    this.begin(sequence, this.duplicate - mark.duplicate);
    this.duplicate = mark.duplicate;
    this.numbering = mark;
  }

  /** A duplicate; or a restart before the sender was WINDOW packets far, which begins at 0 or shows by its run. */
  private countAgain(sequence: number): void {
    this.run = sequence === (this.again + 1) >>> 0 ? this.run + 1 : 1;
    this.again = sequence;
    if (sequence !== 0 && this.run < RESTART_RUN) {
      this.duplicate++;
      return;
    }
    // Those of the run were counted as duplicates, and were none.
    if (sequence !== 0) this.duplicate -= RESTART_RUN - 1;
    this.restarted++;
    this.begin(sequence, sequence === 0 ? 1 : RESTART_RUN);
  }

  /** @param packets of the new numbering that have come, with this one */
  private begin(sequence: number, packets: number): void {
    this.run = 0;
    // Of the old numbering nothing comes any more.
    this.lost += this.missing();
    this.last = -1;
    this.numbering = { received: this.received, lost: this.lost };
    this.received += packets;
    // What came before the first number seen is not this stream's loss: mark it, so that it cannot become "late".
    this.seen.fill(0xffffffff);
    this.newest = sequence;
  }

  private isSeen(sequence: number): boolean {
    const bit = sequence % WINDOW;
    return ((this.seen[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
  }

  private see(sequence: number): void {
    const bit = sequence % WINDOW;
    this.seen[bit >>> 5] = (this.seen[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  private clear(sequence: number): void {
    const bit = (sequence >>> 0) % WINDOW;
    this.seen[bit >>> 5] = (this.seen[bit >>> 5] ?? 0) & ~(1 << (bit & 31));
  }
}
