import type { PacketVector } from "../vector.ts";
import { DSS_DATA_FIN, DSS_DSN_64, type MptcpOptions } from "../wire/mptcp.ts";
import {
  currentChecksum,
  currentMapping,
  formOf,
  type HotMapping,
  insideCurrent,
  isCurrent,
  mayReplace,
  setCurrent,
} from "./current-mapping.ts";
import { countMoved, countPayload } from "./payload-count.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";
import { JUDGED, type Mapping, WatchedDirection } from "./watched-direction.ts";
import { WatchedPayload } from "./watched-payload.ts";

const WORD = 2 ** 32;

/**
 * DSS mappings by relative subflow sequence number (RFC 8684 §3.3.1), and the data sequence numbers that payload gets
 * from them: by its place inside a mapping, never by taking the mapping's DSN for the segment's.
 *
 * While octets come in order the newest mapping of a direction, in its hot line, is enough. Where something is missing,
 * comes late or overlaps, the direction is watched (src/subflow/watched-direction.ts).
 */
export class Mappings {
  /** Of directions for which the hot line is not enough. */
  readonly watched: WatchedPayload;
  private readonly subflows: SubflowTable;
  private readonly out: events.SubflowEvents;

  constructor(subflows: SubflowTable, out: events.SubflowEvents) {
    this.subflows = subflows;
    this.out = out;
    this.watched = new WatchedPayload(subflows, out);
  }

  /**
   * Takes the mapping that a segment's DSS states, and notes a DATA_FIN. Returns event bits. One mapping covers many
   * segments and is repeated on each, so mostly nothing changes.
   */
  take(i: number, subflow: number, higher: number, options: MptcpOptions): number {
    const { subflows } = this;
    const isRelative = options.capableMapping;
    const form = isRelative ? events.DSN_RELATIVE : options.dss & DSS_DSN_64 ? events.DSN_64 : events.DSN_32;
    const before = subflows.hot[table.direction(subflow, higher) + table.MAPPING_LENGTH];
    const isFirst = before === 0 || formOf(subflows, subflow, higher) === events.DSN_RELATIVE;
    let length = options.dataLength;
    let kind = isFirst && !isRelative ? events.FIRST_MAPPING : 0;
    if (options.dss & DSS_DATA_FIN) {
      // RFC 8684 §3.3.3: the DATA_FIN is the last octet of the mapping, one past the payload that is mapped. A mapping
      // without any octet has no room for it.
      if (length === 0) return 0;
      length -= 1;
      const lo = (options.dsnLo + length) >>> 0;
      this.out.finForm[i] = form;
      this.out.finHi[i] = lo < options.dsnLo ? options.dsnHi + 1 : options.dsnHi;
      this.out.finLo[i] = lo;
      kind |= events.DATA_FIN;
    } else if (length === 0) {
      length = table.INFINITE;
      kind |= events.INFINITE_MAPPING;
    }
    const { ssn, dataLength } = options;
    const checksum = length === table.INFINITE ? -1 : options.checksum;
    const stated = { ssn, length, form, dsnHi: isRelative ? 0 : options.dsnHi, dsnLo: isRelative ? 1 : options.dsnLo };
    let direction = this.directionOf(subflow, higher);
    if (direction === null) {
      if (length === 0 && checksum < 0) return kind;
      if (length !== 0 && this.takeAsCurrent(subflow, higher, stated, dataLength, checksum)) return kind;
    }
    direction ??= this.watch(subflow, higher, subflows.hot[table.direction(subflow, higher) + table.NEXT_SSN]!);
    if (direction === null) {
      // No room to watch it: the newest mapping is all that is kept.
      subflows.cold[subflow * table.COLD_WORDS + table.SHED_MAPPINGS]!++;
      if (length !== 0) setCurrent(subflows, subflow, higher, stated);
      return kind;
    }
    const mapping = placed(direction, stated, dataLength, checksum);
    if (
      length !== 0 &&
      checksum >= 0 &&
      direction.heldOctets === 0 &&
      direction.seen.covers(mapping.start, mapping.end)
    ) {
      mapping.summed = JUDGED;
    }
    if (length !== 0) this.announce(subflow, higher, direction, mapping);
    else if (!direction.isFinChecked && checksum >= 0) {
      // A DATA_FIN alone is repeated until it is acknowledged.
      direction.isFinChecked = true;
      this.watched.sums.addFin(subflow, higher, mapping);
    }
    return kind;
  }

  /** Leaves a mapping to the hot line of its direction, where that is enough for it. */
  private takeAsCurrent(
    subflow: number,
    higher: number,
    stated: HotMapping,
    dataLength: number,
    checksum: number,
  ): boolean {
    const { subflows } = this;
    if (!mayReplace(subflows, subflow, higher, stated)) return false;
    const known = currentChecksum(subflows, subflow, higher);
    let isPast = false;
    if (isCurrent(subflows, subflow, higher, stated)) {
      if (checksum !== known) return false;
    } else if (checksum >= 0) {
      // It is summed from its first octet on, and a DATA_FIN in it is not in the hot line.
      const next = subflows.hot[table.direction(subflow, higher) + table.NEXT_SSN]!;
      isPast = ((stated.ssn + stated.length - next) | 0) <= 0;
      if (!isPast && (dataLength !== stated.length || ((stated.ssn - next) | 0) < 0)) return false;
    }
    // One whose octets all came before was judged when they did.
    if (checksum < 0 || isPast) setCurrent(subflows, subflow, higher, stated);
    else if (!isCurrent(subflows, subflow, higher, stated) || known < 0) {
      setCurrent(subflows, subflow, higher, stated);
      this.watched.sums.beginCurrent(subflow, higher, checksum, 0, false);
    }
    return true;
  }

  /**
   * Gives a segment's payload its data sequence numbers and counts it for its subflow. `next` is NEXT_SSN before it.
   * Octets no mapping covers are held for one to come. Returns event bits.
   */
  place(vector: PacketVector, i: number, subflow: number, higher: number, ssn: number, next: number): number {
    const { hot, cold } = this.subflows;
    const payload = vector.payloadLength[i]!;
    const ahead = (ssn - next) | 0;
    const isPlain = (hot[subflow * table.HOT_WORDS + table.STATE]! & table.STATE_PLAIN) !== 0;
    let direction = this.directionOf(subflow, higher);
    if (direction === null) {
      const fresh = ahead > 0 ? payload : Math.max(ahead + payload, 0);
      const covered = this.placeInCurrent(vector, i, subflow, higher, ssn);
      // Octets below `next` whose mapping is forgotten were all placed when it was not.
      const isEnough = ahead <= 0 && (covered === payload || fresh === 0 || (isPlain && covered === 0));
      if (!isEnough) direction = this.watch(subflow, higher, next);
      if (direction === null) {
        countPayload(this.subflows, subflow, higher, payload, fresh, ahead, next);
        if (fresh === 0 && !isPlain) this.subflows.seldom.noteUnplacedRepeat(subflow, payload - covered);
        if (!isEnough) cold[subflow * table.COLD_WORDS + table.SHED_MAPPINGS]!++;
        else if (fresh > 0 && covered > 0)
          this.watched.sums.addCurrent(vector, i, subflow, higher, payload - fresh, fresh);
        if (!isEnough && !isPlain) {
          table.addOctets(cold, subflow * table.COLD_WORDS + table.UNMAPPED + higher, payload - covered);
        }
        return covered > 0 ? events.DATA : vector.mptcpAt[i] === 0 || isPlain ? events.UNMAPPED_DATA : 0;
      }
    }
    const start = direction.place(ssn);
    const kind = this.watched.place(vector, i, subflow, higher, direction, start, isPlain);
    countPayload(this.subflows, subflow, higher, payload, this.watched.fresh, ahead, next);
    direction.follow(hot[table.direction(subflow, higher) + table.NEXT_SSN]!);
    this.settle(subflow, higher, direction, isPlain);
    return kind;
  }

  /**
   * A segment that no host would take has moved NEXT_SSN, which was `before`. Octets between the two were not seen: where
   * it was moved up, the direction is watched, so that they are not taken for repeated ones while their mapping is still to
   * come.
   */
  followMoved(subflow: number, higher: number, before: number): void {
    const next = this.subflows.hot[table.direction(subflow, higher) + table.NEXT_SSN]!;
    countMoved(this.subflows, subflow, higher, next - before);
    const known = this.directionOf(subflow, higher);
    if (known === null && ((next - before) | 0) < 0) return;
    const direction = known ?? this.watch(subflow, higher, before);
    if (direction === null) this.subflows.cold[subflow * table.COLD_WORDS + table.SHED_MAPPINGS]!++;
    else direction.follow(next);
  }

  /** Forgets what came of a direction before it was known where its numbers begin; what it held is in no stream, and told. */
  beginAnew(subflow: number, higher: number): void {
    const { hot, cold } = this.subflows;
    hot[table.direction(subflow, higher) + table.MAPPING_LENGTH] = 0;
    const direction = this.directionOf(subflow, higher);
    if (direction === null) return;
    this.watched.forget(subflow, higher, direction);
    this.subflows.unwatch(subflow, higher);
    cold[subflow * table.COLD_WORDS + table.SHED_MAPPINGS]!++;
  }

  private directionOf(subflow: number, higher: number): WatchedDirection | null {
    const { hot, watched } = this.subflows;
    if ((hot[subflow * table.HOT_WORDS + table.STATE]! & table.STATE_WATCHED) === 0) return null;
    return watched.get(subflow)?.[higher] ?? null;
  }

  /** Leaves the data columns of packet i by the newest mapping; returns how many octets that covers. */
  private placeInCurrent(vector: PacketVector, i: number, subflow: number, higher: number, ssn: number): number {
    const { hot } = this.subflows;
    const at = table.direction(subflow, higher);
    // Negative: a retransmission may begin below the mapping.
    const inside = insideCurrent(hot, at, ssn);
    const skip = Math.max(-inside, 0);
    const from = Math.max(inside, 0);
    const covered = Math.min(
      vector.payloadLength[i]! - skip,
      (hot[at + table.MAPPING_LENGTH]! & table.INFINITE) - from,
    );
    if (covered <= 0) return 0;
    const lo = (hot[at + table.MAPPING_DSN_LO]! + from) >>> 0;
    const hi = lo < from ? hot[at + table.MAPPING_DSN_HI]! + 1 : hot[at + table.MAPPING_DSN_HI]!;
    events.leaveData(this.out, vector, i, formOf(this.subflows, subflow, higher), hi, lo, skip, covered);
    return covered;
  }

  /** Begins to watch a direction of which everything below `next` was seen; null at the bound. */
  private watch(subflow: number, higher: number, next: number): WatchedDirection | null {
    const known = currentMapping(this.subflows, subflow, higher);
    const checksum = currentChecksum(this.subflows, subflow, higher);
    // Whatever is summed from now on is summed beside the hot line, or not at all.
    if (known !== null) setCurrent(this.subflows, subflow, higher, known);
    const directions = this.subflows.watch(subflow);
    if (directions === null) return null;
    const direction = new WatchedDirection(next);
    directions[higher] = direction;
    if (known === null) return direction;
    const mapping = placed(direction, known, known.length, checksum);
    if (checksum >= 0) this.watched.sums.moveCurrent(subflow, higher, mapping, Math.max((next - known.ssn) | 0, 0));
    direction.announce(mapping);
    return direction;
  }

  private announce(subflow: number, higher: number, direction: WatchedDirection, mapping: Mapping): void {
    const { cold } = this.subflows;
    const found = direction.announce(mapping);
    if (found === "contradicts") cold[subflow * table.COLD_WORDS + table.CONTRADICTIONS]!++;
    const { dropped } = direction;
    if (dropped !== null) {
      if (direction.droppedUnfilled) cold[subflow * table.COLD_WORDS + table.SHED_MAPPINGS]!++;
      this.watched.sums.giveUp(subflow, higher, dropped);
    }
    // The session places what follows a fallback by the newest mapping.
    const newest = direction.newest();
    if (found !== "known" && newest === mapping) setCurrent(this.subflows, subflow, higher, onWire(mapping, 0));
    if (found !== "known" && direction.heldOctets > 0) this.watched.releaseHeld(direction, mapping);
  }

  /** Leaves the direction to its hot line again where that is enough. */
  private settle(subflow: number, higher: number, direction: WatchedDirection, isPlain: boolean): void {
    if (!direction.isSettled(isPlain)) return;
    const newest = direction.newest();
    if (newest !== null) {
      setCurrent(this.subflows, subflow, higher, onWire(newest, direction.taken(newest)));
      if (newest.checksum >= 0) {
        this.watched.sums.beginCurrent(subflow, higher, newest.checksum, newest.sum, newest.isCut);
      }
    }
    this.subflows.unwatch(subflow, higher);
    const at = table.direction(subflow, higher) + table.NEXT_SSN;
    const next = this.subflows.hot[at]!;
    const floor = direction.seen.floor % WORD;
    if (((next - floor) | 0) <= 0) return;
    // Segments that nobody would take had moved it up.
    countMoved(this.subflows, subflow, higher, floor - next);
    this.subflows.hot[at] = floor;
  }
}

/** A mapping with its place in a watched direction. */
function placed(direction: WatchedDirection, stated: HotMapping, dataLength: number, checksum: number): Mapping {
  const { ssn, length, form, dsnHi, dsnLo } = stated;
  const start = direction.place(ssn);
  const end = length === table.INFINITE ? Number.POSITIVE_INFINITY : start + length;
  return { start, end, form, dsnHi, dsnLo, ssn, dataLength, checksum, summed: 0, sum: 0, isCut: false };
}

/** A mapping as the hot line has it, without its first octets. */
function onWire({ start, end, form, dsnHi, dsnLo }: Mapping, skip: number): HotMapping {
  const lo = dsnLo + skip;
  return {
    ...{ ssn: (start + skip) % WORD, length: Number.isFinite(end) ? end - start - skip : table.INFINITE },
    ...{ form, dsnHi: dsnHi + Math.floor(lo / WORD), dsnLo: lo % WORD },
  };
}
