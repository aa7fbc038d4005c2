/** What few subflows have anything of to count, by subflow; bounded by the subflow table. */
export class SeldomCounts {
  /** Packets that no host would take, or whose mapping none would (plausibility.ts). */
  readonly implausible = new Map<number, number>();
  /** Mappings that stand on segments with other octets (plausibility.ts). */
  readonly misplaced = new Map<number, number>();
  /** Octets that came again under no mapping that is known any more: nobody can say with what to compare them. */
  readonly unplacedRepeats = new Map<number, number>();
  /** Second copies of packets whose octets could not be compared with the first ones' (differences.ts). */
  readonly uncompared = new Map<number, number>();
  /** Octets of its SYN that the SYN/ACK acknowledged (RFC 7413): its ISN stands so far behind the SYN's. */
  readonly synOctets = new Map<number, number>();

  /** Counts packets, or mappings, that no host would take. */
  noteImplausible(subflow: number, count = 1): void {
    add(this.implausible, subflow, count);
  }

  /** Counts a mapping that stands on a segment with other octets. */
  noteMisplaced(subflow: number): void {
    add(this.misplaced, subflow, 1);
  }

  /** Counts octets that came again under no mapping that is known any more. */
  noteUnplacedRepeat(subflow: number, octets: number): void {
    add(this.unplacedRepeats, subflow, octets);
  }

  /** Counts a second copy whose octets could not be compared. */
  noteUncompared(subflow: number): void {
    add(this.uncompared, subflow, 1);
  }

  /** Notes how many octets of its SYN were acknowledged. */
  noteSynOctets(subflow: number, octets: number): void {
    this.synOctets.set(subflow, octets);
  }

  /** Forgets a subflow that is released. */
  forget(subflow: number): void {
    this.implausible.delete(subflow);
    this.misplaced.delete(subflow);
    this.unplacedRepeats.delete(subflow);
    this.uncompared.delete(subflow);
    this.synOctets.delete(subflow);
  }
}

function add(counts: Map<number, number>, subflow: number, count: number): void {
  if (count > 0) counts.set(subflow, (counts.get(subflow) ?? 0) + count);
}
