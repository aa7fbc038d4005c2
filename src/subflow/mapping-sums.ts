import type { OctetRing } from "../octets/octet-ring.ts";
import { folded, sumOctets, swapped } from "../octets/octet-sum.ts";
import type { PacketVector } from "../vector.ts";
import { formOf } from "./current-mapping.ts";
import { CheckedMapping } from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";
import { isOpen, JUDGED, type Mapping } from "./watched-direction.ts";

/**
 * The sums under DSS checksums: each octet of a mapping once, in whichever order its segments come. What is complete is
 * left for the session, which knows the 64-bit DSN that the checksum is over.
 *
 * Of a direction's newest mapping, whose octets come in order, the sum stands in `SubflowTable.sums`; those of watched
 * directions have their own.
 */
export class MappingSums {
  /** Of this vector, the first `count`: mappings whose octets are all there, or will not come. Used again for the next. */
  readonly checked: CheckedMapping[] = [];
  count = 0;
  /** Where octets of a vector can be summed faster; null: they are summed where they lie. */
  ring: OctetRing | null = null;
  private readonly subflows: SubflowTable;

  constructor(subflows: SubflowTable) {
    this.subflows = subflows;
  }

  /** Begins a vector. */
  clear(): void {
    this.count = 0;
  }

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

  /** The newest mapping of a direction has a checksum, and such a sum so far. */
  beginCurrent(subflow: number, higher: number, checksum: number, sum: number, isCut: boolean): void {
    const { hot, sums } = this.subflows;
    const at = (subflow * 2 + higher) * table.SUM_WORDS;
    hot[table.direction(subflow, higher) + table.MAPPING_LENGTH]! |= table.IS_CHECKED;
    sums[at + table.SUM_STATED] = checksum | (isCut ? table.SUM_CUT : 0);
    sums[at + table.SUM] = sum;
  }

  /**
   * Adds `length` octets of packet i, behind the first `skip`, to the sum of the newest mapping, if it has one. They are
   * the next that were missing in it.
   */
  addCurrent(
    vector: PacketVector,
    i: number,
    subflow: number,
    higher: number,
    skip: number,
    length: number,
    ssn = this.firstOf(subflow, higher, length),
  ): void {
    const { hot, sums } = this.subflows;
    const direction = table.direction(subflow, higher);
    const covered = hot[direction + table.MAPPING_LENGTH]!;
    if ((covered & table.IS_CHECKED) === 0) return;
    const at = (subflow * 2 + higher) * table.SUM_WORDS;
    const inside = (ssn - hot[direction + table.MAPPING_SSN]!) | 0;
    const present = Math.min(Math.max(vector.payloadCaptured[i]! - skip, 0), length);
    const sum = this.sumOf(vector, vector.payloadAt[i]! + skip, present);
    sums[at + table.SUM] = folded(sums[at + table.SUM]! + (inside & 1 ? swapped(sum) : sum));
    if (present < length) sums[at + table.SUM_STATED]! |= table.SUM_CUT;
    if (inside + length === (covered & table.INFINITE)) this.leaveCurrent(subflow, higher);
  }

  /** Moves the sum of the newest mapping, of which `seen` octets came, to a watched direction's mapping. */
  moveCurrent(subflow: number, higher: number, mapping: Mapping, seen: number): void {
    const { sums } = this.subflows;
    const at = (subflow * 2 + higher) * table.SUM_WORDS;
    mapping.summed = seen >= mapping.end - mapping.start ? JUDGED : seen;
    mapping.sum = sums[at + table.SUM]!;
    mapping.isCut = (sums[at + table.SUM_STATED]! & table.SUM_CUT) !== 0;
  }

  /** NEXT_SSN stands behind the octets already. */
  private firstOf(subflow: number, higher: number, length: number): number {
    return this.subflows.hot[table.direction(subflow, higher) + table.NEXT_SSN]! - length;
  }

  private sumOf(vector: PacketVector, at: number, length: number): number {
    const { ring } = this;
    if (ring === null || !ring.hasVector(vector, at, length)) return sumOctets(vector.view, at, length);
    return ring.kernel.sum(ring.addressOf(vector.block, at, length), length);
  }

  private leaveCurrent(subflow: number, higher: number): void {
    const { hot, sums } = this.subflows;
    const direction = table.direction(subflow, higher);
    const at = (subflow * 2 + higher) * table.SUM_WORDS;
    const stated = sums[at + table.SUM_STATED]!;
    const one = this.next(subflow, higher);
    one.form = formOf(this.subflows, subflow, higher);
    one.dsnHi = hot[direction + table.MAPPING_DSN_HI]!;
    one.dsnLo = hot[direction + table.MAPPING_DSN_LO]!;
    one.ssn = hot[direction + table.MAPPING_SSN]!;
    one.length = hot[direction + table.MAPPING_LENGTH]! & table.INFINITE;
    one.dataLength = one.length;
    one.checksum = stated & 0xffff;
    one.sum = sums[at + table.SUM]!;
    one.unverifiable = (stated & table.SUM_CUT) === 0 ? null : "truncated";
  }

  private leave(subflow: number, higher: number, mapping: Mapping, unverifiable: CheckedMapping["unverifiable"]): void {
    const { form, dsnHi, dsnLo, ssn, dataLength, checksum, sum } = mapping;
    const length = mapping.end - mapping.start;
    Object.assign(this.next(subflow, higher), {
      form,
      dsnHi,
      dsnLo,
      ssn,
      dataLength,
      length,
      checksum,
      sum,
      unverifiable,
    });
    mapping.summed = JUDGED;
  }

  /** A place for one more. */
  private next(subflow: number, higher: number): CheckedMapping {
    if (this.count === this.checked.length) this.checked.push(new CheckedMapping());
    const one = this.checked[this.count++]!;
    one.subflow = subflow;
    one.higher = higher;
    return one;
  }
}
