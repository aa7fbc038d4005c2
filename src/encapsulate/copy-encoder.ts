import type { PacketVector } from "../vector.ts";
import { type AgentReport, GRE_AGENT_REPORT } from "../wire/agent-report.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "../wire/ethernet.ts";
import { finishChecksum } from "../wire/transport-checksum.ts";
import { encodeAgentReport } from "./agent-report.ts";
import { encodeGreHeader, greHeaderLength } from "./gre-header.ts";
import { isUnfinished, rewriteSegment, segmentAt } from "./segmentation.ts";

/** Octets of an IP header before its source address, by version (RFC 791 §3.1, RFC 8200 §3). */
const IPV4_SOURCE_ADDRESS = 12;
const IPV6_SOURCE_ADDRESS = 8;

/**
 * Makes the copies and reports of one agent: GRE header and payload packet, numbered from 0 (RFC 2890 §2.2). Every copy
 * made takes a number whether or not it can be sent, so that the collector sees a copy the agent had to drop as a gap.
 *
 * A copy longer than `room` is cut. The payload packet's own length fields stay as they were: they tell the collector
 * that, and by how much, it was cut.
 */
export class CopyEncoder {
  /** Most octets of a payload packet that a copy carries. May change while the agent runs, as the path MTU does. */
  room: number;
  /** Copies that were cut to `room`. */
  cut = 0;
  /** Copies that have a number and were not made. */
  skipped = 0;
  /** Copies end with the TCP header. */
  headersOnly = false;
  private readonly key: number | null;
  /** Numbers given. In an array of its own: a number above 2^31 in a field would cost an allocation each time. */
  private readonly given = new Float64Array(1);

  constructor(options: { readonly key: number | null; readonly room: number }) {
    this.key = options.key;
    this.room = options.room;
  }

  /** Octets before the payload packet in every copy. */
  get headerLength(): number {
    return greHeaderLength(this.key);
  }

  /** Numbers given so far, to copies and reports; the next one takes this, modulo 2^32. */
  get numbered(): number {
    return this.given[0] ?? 0;
  }

  /**
   * Octets of the copy of packet i, or of segment `n` of the `count` it stands for, that `encode` would write, header
   * included. Counts nothing.
   */
  length(vector: PacketVector, i: number, n = 0, count = 1): number {
    return this.headerLength + this.carried(vector, i, this.present(vector, i, n, count));
  }

  /** Takes the number of a copy that is not made, for want of a place to put it. */
  skip(): void {
    this.skipped++;
    this.take();
  }

  /**
   * Writes the copy of packet i, which `decapsulate` has left alive, into `target` from octet 0 and returns its length
   * in octets; of a super-packet that of segment `n` of the `count` it stands for (`segmentsOf`). `target` holds at least
   * `headerLength + room` octets.
   */
  encode(vector: PacketVector, i: number, target: Uint8Array, n = 0, count = 1): number {
    const protocol = vector.family[i] === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
    const header = encodeGreHeader(target, protocol, this.key, this.take() >>> 0);
    const present = this.present(vector, i, n, count);
    const carried = this.carried(vector, i, present);
    if (carried < present) this.cut++;
    const start = payloadPacketAt(vector, i);
    if (count > 1) this.writeSegment(vector, i, target.subarray(header, header + carried), n, count);
    // One small view per copy: `set` is faster than a loop at usual packet sizes, and sending costs more still.
    else target.set(vector.block.subarray(start, start + carried), header);
    if (isUnfinished(vector, i) && carried === wireLength(vector, i, n, count)) {
      const view = new DataView(target.buffer, target.byteOffset, header + carried);
      finishChecksum(view, header, header + (vector.tcpAt[i] ?? 0) - start, header + carried);
    }
    return header + carried;
  }

  /**
   * Writes a report of the agent's own counts into `target` from octet 0 and returns its length in octets; it takes a number as
   * a copy does. `following` more reports are sent with it. `target` holds REPORT_OCTETS behind the header.
   */
  encodeReport(
    counts: Omit<AgentReport, "number" | "numbered" | "cut">,
    following: number,
    target: Uint8Array,
  ): number {
    const number = this.take();
    const header = encodeGreHeader(target, GRE_AGENT_REPORT, this.key, number >>> 0);
    return encodeAgentReport(target, header, { ...counts, number, numbered: number + 1 + following, cut: this.cut });
  }

  /** Gives the next number. */
  private take(): number {
    const number = this.numbered;
    this.given[0] = number + 1;
    return number;
  }

  private writeSegment(vector: PacketVector, i: number, target: Uint8Array, n: number, count: number): void {
    const start = payloadPacketAt(vector, i);
    const payloadAt = vector.payloadAt[i] ?? 0;
    const headers = payloadAt - start;
    const segment = segmentAt(vector, i, n);
    target.set(vector.block.subarray(start, payloadAt));
    const from = payloadAt + segment.offset;
    target.set(vector.block.subarray(from, from + target.length - headers), headers);
    const view = new DataView(target.buffer, target.byteOffset, target.length);
    rewriteSegment(view, 0, (vector.tcpAt[i] ?? 0) - start, segment, n, count);
  }

  /** Octets of the packet, or of one of its segments, that lie in `block`. */
  private present(vector: PacketVector, i: number, n: number, count: number): number {
    if (count === 1) return presentLength(vector, i);
    const { offset, length } = segmentAt(vector, i, n);
    const headers = (vector.payloadAt[i] ?? 0) - payloadPacketAt(vector, i);
    return headers + Math.max(0, Math.min(length, (vector.payloadCaptured[i] ?? 0) - offset));
  }

  private carried(vector: PacketVector, i: number, present: number): number {
    const most = this.headersOnly ? (vector.payloadAt[i] ?? 0) - payloadPacketAt(vector, i) : present;
    return Math.min(present, most, this.room);
  }
}

/** Octets that the packet, or one of its segments, had on the wire. */
function wireLength(vector: PacketVector, i: number, n: number, count: number): number {
  if (count === 1) return vector.ipLength[i] ?? 0;
  return (vector.payloadAt[i] ?? 0) - payloadPacketAt(vector, i) + segmentAt(vector, i, n).length;
}

/** Octet in `block` where the IP header of the payload packet begins. */
function payloadPacketAt(vector: PacketVector, i: number): number {
  const address = vector.addressAt[i] ?? 0;
  return address - (vector.family[i] === 6 ? IPV6_SOURCE_ADDRESS : IPV4_SOURCE_ADDRESS);
}

/** Octets of the payload packet in `block`, without the link layer's padding behind it. */
function presentLength(vector: PacketVector, i: number): number {
  const end = (vector.at[i] ?? 0) + (vector.captured[i] ?? 0);
  return Math.min(end - payloadPacketAt(vector, i), vector.ipLength[i] ?? 0);
}
