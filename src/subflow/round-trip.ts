import type { PacketVector } from "../vector.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import * as table from "./subflow-table.ts";

/** Of a direction's packets, each one whose number has these bits all clear may begin a measurement. */
export const TIMED_EVERY = 127;
/** What is acknowledged later than this was not measured: its acknowledgment was missed. */
const MAX_MICROS = 10_000_000;
/** The place behind a SYN. */
const SYN_END = 1;

/** A segment whose acknowledgment is waited for: its sender, and the place behind its last octet. */
export interface Timing {
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
  private readonly most: number;

  /** @param most measurements under way at a time; of more the oldest is given up */
  constructor(subflows: table.SubflowTable, most: number) {
    this.subflows = subflows;
    this.most = most;
  }

  /** Takes packet i, which begins at `ssn` (0: a SYN), before its octets are counted; `next` is NEXT_SSN. */
  take(vector: PacketVector, i: number, subflow: number, higher: number, ssn: number, next: number): void {
    const { hot, timed } = this.subflows;
    const packets = hot[table.SubflowTable.direction(subflow, higher) + table.PACKETS]!;
    const payload = vector.payloadLength[i]!;
    const isSyn = (vector.flags[i]! & SYN) !== 0;
    const timing = timed.get(subflow);
    if (timing === undefined && !isSyn && (payload === 0 || (packets & TIMED_EVERY) !== 0)) return;
    if (timing && !this.ends(timing, vector, i, subflow, higher, ssn)) return;
    const [atMicros, agent] = [vector.atMicros[i]!, vector.agent[i]!];
    if (isSyn) this.begin(subflow, { higher, end: SYN_END, atMicros, agent });
    else if (hot[table.SubflowTable.direction(subflow, 1 - higher) + table.PACKETS] === 0) {
      this.subflows.stopTiming(subflow);
    } else if (payload > 0 && ssn === next) {
      this.begin(subflow, { higher, end: (ssn + payload) >>> 0, atMicros, agent });
    }
  }

  /** Whether packet i ends a measurement of the handshake, and may begin another. */
  private ends(timing: Timing, vector: PacketVector, i: number, subflow: number, higher: number, ssn: number): boolean {
    const { subflows } = this;
    const { hot } = subflows;
    const flags = vector.flags[i]!;
    const micros = vector.atMicros[i]! - timing.atMicros;
    const isn = hot[table.SubflowTable.direction(subflow, timing.higher) + table.ISN]!;
    if (micros > MAX_MICROS) subflows.stopTiming(subflow);
    else if (higher === timing.higher) {
      const isData = vector.payloadLength[i]! > 0 || (flags & SYN) !== 0;
      if (isData && ((ssn - timing.end) | 0) < 0) subflows.stopTiming(subflow);
    } else if (flags & ACK && ((vector.ack[i]! - isn - timing.end) | 0) >= 0) {
      if (timing.agent === vector.agent[i]) this.sample(subflow, higher, micros);
      if (timing.end === SYN_END) {
        // The handshake goes on, and the first data after it is measured too.
        subflows.time(subflow, null);
        return true;
      }
      subflows.stopTiming(subflow);
    }
    return false;
  }

  private begin(subflow: number, timing: Timing): void {
    const { timed } = this.subflows;
    timed.delete(subflow);
    this.subflows.time(subflow, timing);
    if (timed.size <= this.most) return;
    const [oldest] = timed.keys();
    if (oldest !== undefined) this.subflows.stopTiming(oldest);
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
