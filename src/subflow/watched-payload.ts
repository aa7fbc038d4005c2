import type { TableUse } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import { HeldPayload, type HeldPiece } from "./held-payload.ts";
import { MappingSums } from "./mapping-sums.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";
import type { Mapping, WatchedDirection } from "./watched-direction.ts";

const WORD = 2 ** 32;

/**
 * Payload of watched directions (src/subflow/watched-direction.ts): each octet goes to the mapping that covers it and
 * into that one's checksum, or is held for a mapping to come.
 */
export class WatchedPayload {
  /** Of this vector, besides its events: octets of a packet under a second mapping, and held ones whose mapping came. */
  readonly later: events.LaterData[] = [];
  readonly sums: MappingSums;
  /** Of the segment placed last: octets that had not been seen. */
  fresh = 0;
  private readonly subflows: SubflowTable;
  private readonly out: events.SubflowEvents;
  private readonly held: HeldPayload;
  /** Changes with each vector: only packets of the one under way have events. */
  private vector = 0;

  constructor(subflows: SubflowTable, out: events.SubflowEvents) {
    this.subflows = subflows;
    this.sums = new MappingSums(subflows);
    this.out = out;
    this.held = new HeldPayload((piece) => this.countUnmapped(piece));
  }

  /** Begins a vector. */
  clear(): void {
    this.vector++;
    this.later.length = 0;
    this.sums.clear();
  }

  /** Gives up what no mapping came for in time. */
  expire(nowMicros: number): void {
    this.held.expire(nowMicros);
  }

  /** Pieces of payload that wait for their mapping. */
  get use(): TableUse {
    return this.held.use;
  }

  /** Gives up all that is held of a direction, and hands nothing of it on. */
  forget(subflow: number, higher: number, direction: WatchedDirection): void {
    for (const piece of this.held.takeOf(direction, 0, Number.POSITIVE_INFINITY)) this.countUnmapped(piece);
    const others = this.later.filter((one) => one.subflow !== subflow || one.higher !== higher);
    this.later.splice(0, this.later.length, ...others);
  }

  /** Octets that were held go to the mapping that covers them now; others are held on. */
  releaseHeld(direction: WatchedDirection, announced: Mapping): void {
    for (const piece of this.held.takeOf(direction, announced.start, announced.end)) {
      direction.cover(piece.start, piece.end);
      for (let n = 0; n < direction.count; n++) {
        const { mapping, start, end } = direction.pieces[n]!;
        const skip = start - piece.start;
        const block = piece.block.subarray(skip, skip + end - start);
        if (mapping === null) this.held.hold({ ...piece, start, end, block });
        else {
          this.hand(piece, mapping, start, end - start, block, 0, block.length);
          const view = new DataView(block.buffer, block.byteOffset, block.length);
          this.sums.add(piece.subflow, piece.higher, mapping, start, end, view, 0, block.length);
        }
      }
    }
  }

  /** What was held of subflows whose session has become plain TCP has its place without a mapping. */
  releasePlain(): void {
    for (const subflow of this.subflows.turnedPlain.splice(0)) {
      for (const direction of this.subflows.watched.get(subflow) ?? []) {
        if (direction === null) continue;
        for (const piece of this.held.takeOf(direction, 0, Number.POSITIVE_INFINITY)) {
          if (piece.vector === this.vector && this.out.kind[piece.packet]! & events.TAKEN_PLAIN) continue;
          const { higher, atMicros, agent, start, end, block } = piece;
          this.later.push({
            ...{ subflow, higher, atMicros, agent, block, at: 0, length: end - start, captured: block.length },
            ...{ ssn: start % WORD, form: null, dsnHi: 0, dsnLo: 0 },
          });
        }
      }
    }
  }

  /**
   * Places packet i, whose first octet lies at `start` of a watched direction: leaves its data columns, and hands on or
   * holds what is beside them. Returns event bits; `fresh` is what had not been seen.
   */
  place(
    vector: PacketVector,
    i: number,
    subflow: number,
    higher: number,
    direction: WatchedDirection,
    start: number,
    isPlain: boolean,
  ): number {
    const end = start + vector.payloadLength[i]!;
    const payloadAt = vector.payloadAt[i]!;
    const captured = vector.payloadCaptured[i]!;
    const { seen } = direction;
    this.fresh = seen.add(start, end);
    if (seen.gaveUp) this.subflows.cold[subflow * table.COLD_WORDS + table.SHED_MAPPINGS]!++;
    direction.cover(start, end);
    let kind = 0;
    for (let n = 0; n < direction.count; n++) {
      const { mapping, start: from, end: to } = direction.pieces[n]!;
      const skip = from - start;
      const present = Math.min(Math.max(captured - skip, 0), to - from);
      if (mapping === null) {
        if (vector.mptcpAt[i] === 0 || isPlain) kind |= events.UNMAPPED_DATA;
        if (!isPlain) {
          // What is held came again before its mapping, and is placed with the first copy.
          if (this.fresh === 0 && direction.heldOctets === 0)
            this.subflows.seldom.noteUnplacedRepeat(subflow, to - from);
          this.holdFresh(vector, i, subflow, higher, direction, start, from, to);
        }
      } else if ((kind & events.DATA) === 0) {
        const lo = mapping.dsnLo + (from - mapping.start);
        events.leaveData(
          this.out,
          vector,
          i,
          mapping.form,
          mapping.dsnHi + Math.floor(lo / WORD),
          lo % WORD,
          skip,
          to - from,
        );
        kind |= events.DATA;
      } else {
        const origin = { subflow, higher, atMicros: vector.atMicros[i]!, agent: vector.agent[i]! };
        this.hand(origin, mapping, from, to - from, vector.block, payloadAt + skip, present);
      }
      if (mapping === null || mapping.checksum < 0) continue;
      for (let at = 0; at < seen.fresh.length; at += 2) {
        const a = Math.max(from, seen.fresh[at]!);
        const b = Math.min(to, seen.fresh[at + 1]!);
        const left = Math.min(Math.max(start + captured - a, 0), b - a);
        if (a < b) this.sums.add(subflow, higher, mapping, a, b, vector.view, payloadAt + (a - start), left);
      }
    }
    // Data has its own way through the session; only a segment without any tells that mappings are missing.
    return kind & events.DATA ? kind & ~events.UNMAPPED_DATA : kind;
  }

  /** Holds the octets of [from, to) that came for the first time. */
  private holdFresh(
    vector: PacketVector,
    i: number,
    subflow: number,
    higher: number,
    direction: WatchedDirection,
    segment: number,
    from: number,
    to: number,
  ): void {
    const { fresh } = direction.seen;
    for (let n = 0; n < fresh.length; n += 2) {
      const start = Math.max(from, fresh[n]!);
      const end = Math.min(to, fresh[n + 1]!);
      if (start >= end) continue;
      const skip = start - segment;
      const present = Math.min(Math.max(vector.payloadCaptured[i]! - skip, 0), end - start);
      const at = vector.payloadAt[i]! + skip;
      const origin = { subflow, higher, direction, atMicros: vector.atMicros[i]!, agent: vector.agent[i]! };
      const came = { vector: this.vector, packet: i };
      this.held.hold({ ...origin, ...came, start, end, block: vector.block.slice(at, at + present) });
    }
  }

  /** Hands octets on that have no event of their own. */
  private hand(
    origin: { subflow: number; higher: number; atMicros: number; agent: number },
    mapping: Mapping,
    start: number,
    length: number,
    block: Uint8Array<ArrayBuffer>,
    at: number,
    captured: number,
  ): void {
    const { subflow, higher, atMicros, agent } = origin;
    const lo = mapping.dsnLo + (start - mapping.start);
    this.later.push({
      ...{ subflow, higher, atMicros, agent, block, at, length, captured },
      ...{ ssn: start % WORD, form: mapping.form },
      ...{ dsnHi: (mapping.dsnHi + Math.floor(lo / WORD)) % WORD, dsnLo: lo % WORD },
    });
  }

  private countUnmapped(piece: HeldPiece): void {
    const { subflow, higher, direction, start, end } = piece;
    // Its place may be another subflow's by now.
    if (this.subflows.watched.get(subflow)?.[higher] !== direction) return;
    table.addOctets(this.subflows.cold, subflow * table.COLD_WORDS + table.UNMAPPED + higher, end - start);
  }
}
