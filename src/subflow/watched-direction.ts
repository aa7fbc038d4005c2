import { SeenOctets } from "./seen-octets.ts";
import * as events from "./subflow-events.ts";

/**
 * Mappings kept of one direction. At the bound the oldest that is filled goes, else the oldest: what it lacks is lost. The
 * newest stays.
 */
const MAX_MAPPINGS = 8;

/** Octets that a segment may come late by, as many as windows mostly have. */
const REORDERED = 2 ** 20;
const WORD = 2 ** 32;

/** One DSS mapping. Places are subflow sequence numbers that do not wrap, see `WatchedDirection.place`. */
export interface Mapping {
  /** Octets [start, end) are mapped; an infinite mapping has no end. */
  readonly start: number;
  readonly end: number;
  /** DSN of the first octet, in a form of src/subflow/subflow-events.ts. */
  readonly form: number;
  readonly dsnHi: number;
  readonly dsnLo: number;
  /** As they were stated, for the checksum. -1: the option had no checksum. */
  readonly ssn: number;
  readonly dataLength: number;
  readonly checksum: number;
  /** Octets whose sum is in `sum` (JUDGED: all, and it was judged), and whether a copy was cut before some. */
  summed: number;
  sum: number;
  isCut: boolean;
}

/** `Mapping.summed` of one that was judged. */
export const JUDGED = -1;

/** Whether a mapping has a checksum that was not judged yet. */
export const isOpen = (mapping: Mapping): boolean => mapping.checksum >= 0 && mapping.summed !== JUDGED;

/** A piece of a segment: the mapping that covers it, or null, and its place. */
export interface Piece {
  mapping: Mapping | null;
  start: number;
  end: number;
}

/** What became of a mapping that was announced. */
export type Announcement = "known" | "new" | "contradicts";

/**
 * A subflow direction whose newest mapping alone would not do: octets are missing below those seen, or mappings came late
 * or overlap. Of mappings that map the same octet, the one announced first holds; Linux counts the other (DSSNotMatching) and
 * falls back to TCP, which is told as a finding.
 */
export class WatchedDirection {
  /** In the order they were announced. */
  readonly mappings: Mapping[] = [];
  readonly seen: SeenOctets;
  /** Octets that no mapping covers yet, held in src/subflow/held-payload.ts. */
  heldOctets = 0;
  /** A DATA_FIN without payload had its checksum judged. */
  isFinChecked = false;
  /** After `announce`: the mapping that made room, null mostly; and whether octets of it were still missing. */
  dropped: Mapping | null = null;
  droppedUnfilled = false;
  /** After `cover`: the first `count` of `pieces`. */
  readonly pieces: Piece[] = [];
  count = 0;
  private next: number;

  /** @param nextSsn the relative sequence number after the highest octet seen; all below count as seen */
  constructor(nextSsn: number) {
    // A word up, so that places below it are not negative.
    this.next = WORD + nextSsn;
    this.seen = new SeenOctets(this.next);
  }

  /** The place of a relative sequence number: the nearest one to what is expected next, so that wraps do not matter. */
  place(ssn: number): number {
    return this.next + ((ssn - (this.next % WORD)) | 0);
  }

  /** Follows the direction's NEXT_SSN. */
  follow(nextSsn: number): void {
    this.next = this.place(nextSsn);
  }

  /** Takes a mapping that a DSS states. */
  announce(mapping: Mapping): Announcement {
    this.dropped = null;
    let contradicts = false;
    for (const other of this.mappings) {
      if (other.start >= mapping.end || mapping.start >= other.end) continue;
      if (!agree(other, mapping)) contradicts = true;
      else if (other.start === mapping.start && other.end === mapping.end) {
        // One that came out of the hot line when it was judged has its checksum no more.
        const isOther = Math.min(other.checksum, mapping.checksum) >= 0 && other.checksum !== mapping.checksum;
        return isOther ? "contradicts" : "known";
      }
    }
    this.mappings.push(mapping);
    if (this.mappings.length > MAX_MAPPINGS) this.makeRoom();
    return contradicts ? "contradicts" : "new";
  }

  /** Leaves in `pieces` by which mapping each octet of [start, end) is mapped. */
  cover(start: number, end: number): void {
    this.count = 0;
    for (let at = start; at < end; ) {
      let to = end;
      let mapping: Mapping | null = null;
      for (const one of this.mappings) {
        if (one.start > at) to = Math.min(to, one.start);
        else if (one.end > at) {
          mapping = one;
          to = Math.min(to, one.end);
          break;
        }
      }
      const piece = this.pieces[this.count];
      if (piece === undefined) this.pieces.push({ mapping, start: at, end: to });
      else {
        piece.mapping = mapping;
        piece.start = at;
        piece.end = to;
      }
      this.count++;
      at = to;
    }
  }

  /** The mapping that begins last, of those the one announced first; null when none is known. */
  newest(): Mapping | null {
    let newest: Mapping | null = null;
    for (const one of this.mappings) if (newest === null || one.start > newest.start) newest = one;
    return newest;
  }

  /** Octets at the beginning of a mapping that are another's, which was announced first. */
  taken(mapping: Mapping): number {
    let end = mapping.start;
    for (const one of this.mappings) {
      if (one === mapping) break;
      if (one.start <= end && one.end > end) end = one.end;
    }
    return Math.min(end, mapping.end) - mapping.start;
  }

  /**
   * Whether the hot line with the newest mapping is enough again: all other mappings are filled, and nothing is missing.
   * `isPlain`: no mapping need be there.
   */
  isSettled(isPlain: boolean): boolean {
    if (this.isFinChecked || this.heldOctets > 0 || !this.seen.isWhole) return false;
    const newest = this.newest();
    if (newest === null) return isPlain;
    return (
      this.taken(newest) < newest.end - newest.start &&
      this.isInStep(newest) &&
      this.mappings.every((one) => one === newest || (this.isFilled(one) && !isOpen(one)))
    );
  }

  /** Whether the hot line can go on with the sum of a mapping: all octets that were seen are in it. */
  private isInStep(mapping: Mapping): boolean {
    if (mapping.checksum < 0) return true;
    if (mapping.dataLength !== mapping.end - mapping.start || this.taken(mapping) > 0) return false;
    return !isOpen(mapping) || mapping.summed === Math.max(this.next - mapping.start, 0);
  }

  private isFilled(mapping: Mapping): boolean {
    return this.seen.covers(mapping.start, mapping.end);
  }

  /** Drops one mapping, but not the one that came last, nor the newest: what follows that without a mapping is plain. */
  private makeRoom(): void {
    const newest = this.newest();
    const mayGo = (one: Mapping, n: number): boolean => n < MAX_MAPPINGS && one !== newest;
    const filled = this.mappings.findIndex((one, n) => mayGo(one, n) && this.isFilled(one));
    this.droppedUnfilled = filled < 0;
    const oldest = this.mappings.findIndex(mayGo);
    this.dropped = this.mappings.splice(filled < 0 ? oldest : filled, 1)[0] ?? null;
    // Holes that no kept mapping reaches are waited for no longer: at once where theirs was dropped, else while the
    // mapping may be stated on the segment that fills them.
    const least = Math.min(...this.mappings.map((one) => one.start));
    this.seen.giveUpBelow(this.droppedUnfilled ? least : Math.min(least, this.next - REORDERED));
  }
}

/** Whether two mappings give an octet the same number; a relative one cannot be compared with another. */
function agree(a: Mapping, b: Mapping): boolean {
  if ((a.form === events.DSN_RELATIVE) !== (b.form === events.DSN_RELATIVE)) return true;
  return ((b.dsnLo - a.dsnLo - (b.start - a.start)) | 0) === 0;
}
