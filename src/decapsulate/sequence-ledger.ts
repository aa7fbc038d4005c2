/** Sequence numbers behind the newest one that can still be told "late" from "duplicate"; further back is a restart. */
const WINDOW = 1024;
/** A jump ahead of more is no loss: a sender that began anew, or a number that went bad on the way. */
const MAX_LOSS = 2 ** 24;
/** So many consecutive numbers that were all seen are a sender that began again, whose first copies were lost. */
const RESTART_RUN = 32;
/** A numbering goes on behind its own beginning, which came again, with no more than so many lost. */
const MAX_LOSS_BESIDE = 32;

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
 *
 * Numbers that were seen come again where a sender begins anew before its WINDOWth packet, and where copies are doubled. 0
 * alone is a duplicate: taken for a restart, it would make losses of all numbers up to the next copy's. 0 and directly behind
 * it 1 are a restart, told at the 1. That is taken back where the old numbering goes on next, little behind its newest: then
 * its beginning was doubled, for a new numbering would have had to lose just what lies between. A sender that begins anew and
 * whose 0 or 1 is lost shows by a run of RESTART_RUN numbers, or by its report.
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
  /** How all was before the numbering began anew with 0 and 1, as long as these may turn out to be doubled. */
  private before = { newest: -1, last: -1, lost: 0, received: 0, numbering: this.numbering };
  private readonly seenBefore = new Uint32Array(WINDOW / 32);
  private mayBeDoubled = false;

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
    if (this.mayBeDoubled) this.decide(sequence);
    const ahead = (sequence - this.newest) | 0;
    if (ahead > MAX_LOSS || ahead <= -WINDOW) {
      this.restarted++;
      this.begin(sequence, 1);
      return;
    }
    // Whether it was seen or lost before: the 0 directly before it came again.
    if (ahead <= 0 && sequence === 1 && this.run === 1 && this.again === 0) {
      this.beginAgain();
      return;
    }
    if (ahead <= 0) {
      this.countBehind(sequence);
      return;
    }
    this.run = 0;
    this.received++;
    this.lost += ahead - 1;
    if (ahead >= WINDOW) this.seen.fill(0);
    else for (let step = 1; step < ahead; step++) this.clear(this.newest + step);
    this.newest = sequence;
    this.see(sequence);
  }
  /** Numbers behind the newest that are missing up to the last: there is nothing to show a gap. None where it lies far ahead. */
  missing(): number {
    const ahead = (this.last - this.newest) | 0;
    return this.last >= 0 && this.newest >= 0 && ahead > 0 && ahead <= MAX_LOSS ? ahead : 0;
  }

  /** What `restartSince` wants to know of this moment. */
  mark(): SequenceMark {
    // What was marked is not taken back.
    this.mayBeDoubled = false;
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

  /** A number up to the newest: late, or seen already. */
  private countBehind(sequence: number): void {
    if (this.isSeen(sequence)) {
      this.countAgain(sequence);
      return;
    }
    this.run = 0;
    this.countLate(sequence);
  }

  private countLate(sequence: number): void {
    this.received++;
    this.late++;
    this.lost--;
    this.see(sequence);
  }

  /** A duplicate; or a restart before the sender was WINDOW packets far, which shows by its run. */
  private countAgain(sequence: number): void {
    this.run = sequence === (this.again + 1) >>> 0 ? this.run + 1 : 1;
    this.again = sequence;
    if (this.run < RESTART_RUN) {
      this.duplicate++;
      return;
    }
    // Those of the run were counted as duplicates, and were none.
    this.duplicate -= RESTART_RUN - 1;
    this.restarted++;
    this.begin(sequence, RESTART_RUN);
  }

  /** The numbering begins anew, and this is its 1. The 0 before it was counted as a duplicate, and was none. */
  private beginAgain(): void {
    const { before, newest, last, lost, received, numbering } = this;
    before.newest = newest;
    before.last = last;
    before.lost = lost;
    before.received = received;
    before.numbering = numbering;
    this.seenBefore.set(this.seen);
    this.duplicate--;
    this.restarted++;
    this.begin(1, 2);
    this.mayBeDoubled = true;
  }

  /**
   * The first number that does not follow the one before it since the numbering began anew. Goes back to the numbering of
   * before where that goes on: then those from 0 to the newest came again, but for what had been lost of them.
   */
  private decide(sequence: number): void {
    this.mayBeDoubled = false;
    const { before, newest } = this;
    const ahead = (sequence - before.newest) | 0;
    const goesOn = ahead > 0 && ahead <= MAX_LOSS_BESIDE + 1;
    if (!goesOn || newest >= before.newest || newest >= RESTART_RUN - 1) return;
    this.restarted--;
    this.newest = before.newest;
    this.last = before.last;
    this.lost = before.lost;
    this.received = before.received;
    this.numbering = before.numbering;
    this.seen.set(this.seenBefore);
    for (let number = 0; number <= newest; number++) {
      if (this.isSeen(number)) this.duplicate++;
      else this.countLate(number);
    }
  }

  /** @param packets of the new numbering that have come, with this one */
  private begin(sequence: number, packets: number): void {
    this.run = 0;
    this.mayBeDoubled = false;
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
