import type { PacketVector } from "../vector.ts";
import { encodeGreHeader, greHeaderLength } from "./gre-header.ts";

/** Octets of an IP header before its source address, by version (RFC 791 §3.1, RFC 8200 §3). */
const IPV4_SOURCE_ADDRESS = 12;
const IPV6_SOURCE_ADDRESS = 8;

/**
 * Makes the copies of one agent: GRE header and payload packet, numbered from 0 (RFC 2890 §2.2). Every copy made takes a
 * number whether or not it can be sent, so that the collector sees a copy the agent had to drop as a gap.
 *
 * A copy longer than `room` is cut. The payload packet's own length fields stay as they were: they tell the collector
 * that, and by how much, it was cut.
 */
export class CopyEncoder {
  /** Most octets of a payload packet that a copy carries. May change while the agent runs, as the path MTU does. */
  room: number;
  /** Copies that were cut to `room`. */
  cut = 0;
  private readonly key: number | null;
  private readonly sequence = new Uint32Array(1);

  constructor(options: { readonly key: number | null; readonly room: number }) {
    this.key = options.key;
    this.room = options.room;
  }

  /** Octets before the payload packet in every copy. */
  get headerLength(): number {
    return greHeaderLength(this.key);
  }

  /** The number that the next copy takes: copies made so far, modulo 2^32. */
  get nextSequence(): number {
    return this.sequence[0] ?? 0;
  }

  /** Octets of the copy of packet i that `encode` would write, header included. Counts nothing. */
  length(vector: PacketVector, i: number): number {
    return this.headerLength + Math.min(presentLength(vector, i), this.room);
  }

  /** Takes the number of a copy that is not made, for want of a place to put it. */
  skip(): void {
    this.sequence[0] = this.nextSequence + 1;
  }

  /**
   * Writes the copy of packet i, which `decapsulate` has left alive, into `target` from octet 0 and returns its length
   * in octets. `target` holds at least `headerLength + room` octets.
   */
  encode(vector: PacketVector, i: number, target: Uint8Array): number {
    const header = encodeGreHeader(target, vector.family[i] ?? 4, this.key, this.nextSequence);
    this.skip();
    const present = presentLength(vector, i);
    const carried = Math.min(present, this.room);
    if (carried < present) this.cut++;
    const start = payloadPacketAt(vector, i);
    // One small view per copy: `set` is faster than a loop at usual packet sizes, and sending costs more still.
    target.set(vector.block.subarray(start, start + carried), header);
    return header + carried;
  }
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
