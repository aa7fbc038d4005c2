import { folded, sumOctets, swapped } from "../octets/octet-sum.ts";
import type { CheckedMapping } from "./subflow-events.ts";
import type { Mapping } from "./watched-direction.ts";

/** `Mapping.summed` of one that was judged. */
const JUDGED = -1;

/**
 * The sums under DSS checksums: each octet of a mapping once, in whichever order its segments come. What is complete is
 * left for the session, which knows the 64-bit DSN that the checksum is over.
 */
export class MappingSums {
  /** Of this vector: mappings whose octets are all there, or will not come. */
  readonly checked: CheckedMapping[] = [];

  /** Adds octets [start, end) that came for the first time; `captured` of them lie in `view` at `at`. */
  add(
    subflow: number,
    higher: number,
    mapping: Mapping,
    start: number,
    end: number,
    view: DataView,
    at: number,
    captured: number,
  ): void {
    if (!isOpen(mapping)) return;
    const sum = sumOctets(view, at, captured);
    mapping.sum = folded(mapping.sum + ((start - mapping.start) & 1 ? swapped(sum) : sum));
    mapping.summed += end - start;
    if (captured < end - start) mapping.isCut = true;
    if (mapping.summed !== mapping.end - mapping.start) return;
    this.leave(subflow, higher, mapping, mapping.isCut ? "truncated" : null);
  }

  /** Gives a mapping up, some of whose octets will not come. */
  giveUp(subflow: number, higher: number, mapping: Mapping): void {
    if (isOpen(mapping)) this.leave(subflow, higher, mapping, "octets-missing");
  }

  /** A DATA_FIN without payload: its checksum is over the pseudo-header alone. */
  addFin(subflow: number, higher: number, mapping: Mapping): void {
    if (isOpen(mapping)) this.leave(subflow, higher, mapping, null);
  }

  private leave(subflow: number, higher: number, mapping: Mapping, unverifiable: CheckedMapping["unverifiable"]): void {
    const { form, dsnHi, dsnLo, ssn, dataLength, checksum, sum } = mapping;
    const length = mapping.end - mapping.start;
    this.checked.push({ subflow, higher, form, dsnHi, dsnLo, ssn, dataLength, length, checksum, sum, unverifiable });
    mapping.summed = JUDGED;
  }
}

/** Whether a mapping has a checksum that was not judged yet. */
export const isOpen = (mapping: Mapping): boolean => mapping.checksum >= 0 && mapping.summed !== JUDGED;
