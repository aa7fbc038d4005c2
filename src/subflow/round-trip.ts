import type { PacketVector } from "../vector.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import * as table from "./subflow-table.ts";

/** Of a direction's packets, each one whose number has these bits all clear may begin a measurement. */
export const TIMED_EVERY = 127;
/** Measurements under way at a time; at the bound the oldest is given up. */
const MAX_TIMINGS = 65_536;
/** What is acknowledged later than this was not measured: its acknowledgment was missed. */
const MAX_MICROS = 10_000_000;

/** A segment whose acknowledgment is waited for: its sender, and the place behind its last octet. */
interface Timing {
  readonly higher: number;
  readonly end: number;
  readonly atMicros: number;
  readonly agent: number;
}

/**
 * Round-trip times between where a subflow was copied and each of its ends: from SYN to SYN/ACK and from that to the
 * third ACK, then now and then from a segment to its acknowledgment, never of one that was sent again (RFC 6298 §3).
 * Both packets must be of one agent, since clocks differ.
 */
export class RoundTrips {
  private readonly subflows: table.SubflowTable;
  /** By subflow, oldest first. */
  private readonly timings = new Map<number, Timing>();

  constructor(subflows: table.SubflowTable) {
    this.subflows = subflows;
  }

  /**
   * Takes packet i before anything else has been noted of it but its count. `lastMicros` and `lastAgent` are those of the
   * subflow's packet before.
   */
  takeHandshake(
    vector: PacketVector,
    i: number,
    subflow: number,
    higher: number,
    lastMicros: number,
    lastAgent: number,
  ): void {
    const { hot } = this.subflows;
    const base = subflow * table.HOT_WORDS;
    const state = hot[base + table.STATE]!;
    const flags = vector.flags[i]!;
    const isOpener = ((state & table.STATE_OPENER_HIGHER) !== 0) === (higher === 1);
    // One SYN and its answer; one answer and its acknowledgment: nothing was sent again, and the other end sent it.
    const own = hot[table.SubflowTable.direction(subflow, higher) + table.PACKETS]!;
    const peers = hot[table.SubflowTable.direction(subflow, 1 - higher) + table.PACKETS]!;
    if ((flags & ACK) === 0 || peers !== 1 || lastAgent !== vector.agent[i]) return;
    const isAnswer = flags & SYN && !isOpener && own === 1 && state & table.STATE_SYN;
    const isThird =
      (flags & SYN) === 0 && isOpener && own === 2 && state & table.STATE_SYN && state & table.STATE_SYN_ACK;
    if (isAnswer || isThird) this.sample(subflow, higher, vector.atMicros[i]! - lastMicros);
    if (isThird) hot[base + table.STATE]! |= table.STATE_TIMED;
  }

  /** Takes packet i, which begins at `ssn`; `next` is NEXT_SSN before it. */
  take(vector: PacketVector, i: number, subflow: number, higher: number, ssn: number, next: number): void {
    const { hot, coldFloat } = this.subflows;
    const state = subflow * table.HOT_WORDS + table.STATE;
    const at = table.SubflowTable.direction(subflow, higher);
    const atMicros = vector.atMicros[i]!;
    const payload = vector.payloadLength[i]!;
    if ((hot[at + table.PACKETS]! & TIMED_EVERY) === 0 && payload > 0) hot[state]! |= table.STATE_TIMED;
    else if ((hot[state]! & table.STATE_TIMED) === 0) return;
    const timing = this.timings.get(subflow);
    const start = coldFloat[(subflow * table.COLD_WORDS + table.START_MICROS) >> 1]!;
    if (timing === undefined || timing.atMicros < start) {
      const peers = hot[table.SubflowTable.direction(subflow, 1 - higher) + table.PACKETS]!;
      if (peers === 0) this.stop(subflow);
      else if (payload > 0 && ssn === next) {
        this.begin(subflow, { higher, end: (ssn + payload) >>> 0, atMicros, agent: vector.agent[i]! });
      }
      return;
    }
    if (atMicros - timing.atMicros > MAX_MICROS) this.stop(subflow);
    else if (higher === timing.higher) {
      if (payload > 0 && ((ssn - timing.end) | 0) < 0) this.stop(subflow);
    } else if (vector.flags[i]! & ACK) {
      const peer = table.SubflowTable.direction(subflow, timing.higher);
      if (((vector.ack[i]! - hot[peer + table.ISN]! - timing.end) | 0) < 0) return;
      if (timing.agent === vector.agent[i]) this.sample(subflow, higher, atMicros - timing.atMicros);
      this.stop(subflow);
    }
  }

  private begin(subflow: number, timing: Timing): void {
    this.timings.delete(subflow);
    this.timings.set(subflow, timing);
    if (this.timings.size <= MAX_TIMINGS) return;
    const [oldest] = this.timings.keys();
    if (oldest !== undefined) this.stop(oldest);
  }

  private stop(subflow: number): void {
    this.timings.delete(subflow);
    this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]! &= ~table.STATE_TIMED;
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
