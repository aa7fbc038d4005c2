import type { PacketVector } from "../vector.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/** Of a direction's packets, each one whose number has these bits all clear may begin a measurement. */
export const TIMED_EVERY = 127;
/** What is acknowledged later than this was not measured: its acknowledgment was missed. */
const MAX_MICROS = 10_000_000;
/** The place behind a SYN. */
const SYN_END = 1;

/** Words of a measurement: whose it is (subflow + 1, 0: nobody's), what for, its end, and float64 of its time. */
const TIMING_WORDS = 6;
const OWNER = 0;
/** AWAITS_DATA, or agent << 1 | higher of the segment that is measured. */
const WHO = 1;
/** The place behind the segment's last octet. */
const END = 2;
const MICROS = 4;
/** The next segment with data is to be measured. */
const AWAITS_DATA = 0xffffffff;

/** Measurements under way. Each has its place by the number of its subflow, where the newest one holds. */
export class Timings {
  /** Measurements given up for another subflow's. */
  shed = 0;
  private readonly words: Uint32Array;
  private readonly floats: Float64Array;
  private readonly mask: number;

  /** @param most measurements under way at a time, at least 1; a power of two, else the next lower one holds */
  constructor(most: number) {
    const places = 2 ** Math.floor(Math.log2(most));
    this.mask = places - 1;
    this.words = new Uint32Array(places * TIMING_WORDS);
    this.floats = new Float64Array(this.words.buffer);
  }

  /** Where a subflow's measurement stands, for the readers below; -1 when there is none. */
  find(subflow: number): number {
    const at = (subflow & this.mask) * TIMING_WORDS;
    return this.words[at + OWNER] === subflow + 1 ? at : -1;
  }

  /** Measures packet i, of the higher endpoint or not, up to `end`. Returns the subflow whose own was given up, or -1. */
  begin(subflow: number, higher: number, end: number, vector: PacketVector, i: number): number {
    const at = (subflow & this.mask) * TIMING_WORDS;
    this.words[at + WHO] = (vector.agent[i]! << 1) | higher;
    this.words[at + END] = end;
    this.floats[(at + MICROS) >> 1] = vector.atMicros[i]!;
    return this.own(at, subflow);
  }

  /** As `begin`, of the next segment with data. */
  awaitData(subflow: number): number {
    const at = (subflow & this.mask) * TIMING_WORDS;
    this.words[at + WHO] = AWAITS_DATA;
    return this.own(at, subflow);
  }

  private own(at: number, subflow: number): number {
    const displaced = this.words[at + OWNER]! - 1;
    this.words[at + OWNER] = subflow + 1;
    if (displaced < 0 || displaced === subflow) return -1;
    this.shed++;
    return displaced;
  }

  /** Ends a subflow's measurement, if there is one. */
  stop(subflow: number): void {
    const at = this.find(subflow);
    if (at >= 0) this.words[at + OWNER] = 0;
  }

  /** Whether the measurement at a place waits for data to measure. */
  awaitsData(at: number): boolean {
    return this.words[at + WHO] === AWAITS_DATA;
  }

  /** 1 when the higher endpoint sent the segment that is measured at a place. */
  higher(at: number): number {
    return this.words[at + WHO]! & 1;
  }

  /** Who copied the segment that is measured at a place. */
  agent(at: number): number {
    return this.words[at + WHO]! >>> 1;
  }

  /** The place behind the last octet of the segment that is measured at a place. */
  end(at: number): number {
    return this.words[at + END]!;
  }

  /** µs of the segment that is measured at a place. */
  atMicros(at: number): number {
    return this.floats[(at + MICROS) >> 1]!;
  }
}

/**
 * Round-trip times between where a subflow was copied and each of its ends: from SYN to SYN/ACK and from that to the
 * third ACK, then now and then from a segment to its acknowledgment, never of one that was sent again (RFC 6298 §3).
 * Both packets must be of one agent, since clocks differ.
 */
export class RoundTrips {
  private readonly subflows: SubflowTable;

  constructor(subflows: SubflowTable) {
    this.subflows = subflows;
  }

  /** Takes packet i, which begins at `ssn` (0: a SYN), before its octets are counted; `next` is NEXT_SSN. */
  take(vector: PacketVector, i: number, subflow: number, higher: number, ssn: number, next: number): void {
    const { hot, timings } = this.subflows;
    const packets = hot[table.direction(subflow, higher) + table.PACKETS]!;
    const payload = vector.payloadLength[i]!;
    const isSyn = (vector.flags[i]! & SYN) !== 0;
    // Who is measured is watched.
    const isWatched = (hot[subflow * table.HOT_WORDS + table.STATE]! & table.STATE_WATCHED) !== 0;
    const timing = isWatched ? timings.find(subflow) : -1;
    if (timing < 0 && !isSyn && (payload === 0 || (packets & TIMED_EVERY) !== 0)) return;
    if (timing >= 0 && !timings.awaitsData(timing) && !this.ends(timing, vector, i, subflow, higher, ssn)) return;
    if (isSyn) this.subflows.time(subflow, higher, SYN_END, vector, i);
    else if (hot[table.direction(subflow, 1 - higher) + table.PACKETS] === 0) {
      this.subflows.stopTiming(subflow);
    } else if (payload > 0 && ssn === next) {
      this.subflows.time(subflow, higher, (ssn + payload) >>> 0, vector, i);
    }
  }

  /** Whether packet i ends a measurement of the handshake, and may begin another. */
  private ends(timing: number, vector: PacketVector, i: number, subflow: number, higher: number, ssn: number): boolean {
    const { subflows } = this;
    const { hot, timings } = subflows;
    const flags = vector.flags[i]!;
    const micros = vector.atMicros[i]! - timings.atMicros(timing);
    const end = timings.end(timing);
    const isn = hot[table.direction(subflow, timings.higher(timing)) + table.ISN]!;
    if (micros > MAX_MICROS) subflows.stopTiming(subflow);
    else if (higher === timings.higher(timing)) {
      const isData = vector.payloadLength[i]! > 0 || (flags & SYN) !== 0;
      if (isData && ((ssn - end) | 0) < 0) subflows.stopTiming(subflow);
    } else if (flags & ACK && ((vector.ack[i]! - isn - end) | 0) >= 0) {
      if (timings.agent(timing) === vector.agent[i]) this.sample(subflow, higher, micros);
      if (end === SYN_END) {
        // The handshake goes on, and the first data after it is measured too.
        subflows.timeNext(subflow);
        return true;
      }
      subflows.stopTiming(subflow);
    }
    return false;
  }

  /** RFC 6298 §2: the smoothed time moves by an eighth of the difference. */
  private sample(subflow: number, higher: number, micros: number): void {
    if (!(micros >= 0 && micros < MAX_MICROS)) return;
    const { cold } = this.subflows;
    const at = subflow * table.COLD_WORDS + higher;
    const taken = Math.max(1, Math.round(micros));
    const least = cold[at + table.ROUND_TRIP_MIN]!;
    const smoothed = cold[at + table.ROUND_TRIP_SMOOTHED]!;
    cold[at + table.ROUND_TRIP_MIN] = least === 0 ? taken : Math.min(least, taken);
    cold[at + table.ROUND_TRIP_SMOOTHED] = smoothed === 0 ? taken : Math.round(smoothed + (taken - smoothed) / 8);
  }
}
