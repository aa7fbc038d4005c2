import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import {
  type CaptureDecoder,
  type CaptureFault,
  type CaptureFaultReason,
  MAX_PACKET_OCTETS,
} from "./capture-decoder.ts";
import { decodeInterface, type PcapngInterface } from "./pcapng-interface.ts";

/** Type of the block every section begins with, the same in both byte orders. */
export const BLOCK_SECTION = 0x0a0d0d0a;
const BLOCK_INTERFACE = 1;
const BLOCK_PACKET_OBSOLETE = 2;
const BLOCK_PACKET_SIMPLE = 3;
const BLOCK_PACKET_ENHANCED = 6;
const BYTE_ORDER = 0x1a2b3c4d;
const BYTE_ORDER_SWAPPED = 0x4d3c2b1a;

/** Type and total length before a block's body; the total length again after it. */
const BLOCK_HEADER = 8;
const BLOCK_TRAILER = 4;
const BLOCK_MIN = BLOCK_HEADER + BLOCK_TRAILER;
const SECTION_MIN = 28;
const INTERFACE_MIN = 20;
const SIMPLE_MIN = 16;
const PACKET_MIN = 32;
/** Body octets before the packet's own in an enhanced or obsolete block, counted from the block's begin. */
const PACKET_AT = 28;
const SIMPLE_AT = 12;
/** An interface block is read whole: its comments and names may take this much. */
const MAX_INTERFACE_BLOCK = 65_536;
/** Interfaces of one section; the next one is a fault, for its packets could not be told apart. */
const MAX_INTERFACES = 4_096;

/**
 * Reads pcapng (draft-ietf-opsawg-pcapng): sections in either byte order, interfaces with their own link type and
 * clock, enhanced, simple and obsolete packet blocks. Other blocks are skipped, however long they are.
 */
export class PcapngDecoder implements CaptureDecoder {
  source = 0;
  begun = false;
  fault: CaptureFault | null = null;
  private little = false;
  private readonly interfaces: PcapngInterface[] = [];
  /** Octets of the block under way that are still to come, trailer included; 0 between blocks. */
  private left = 0;
  /** Total length of the block under way, which its trailer must repeat. */
  private total = 0;
  /** Octet of the file that the next call's `at` stands for. */
  private offset = 0;
  /** Octet of the file where the block under way begins. */
  private blockOffset = 0;
  /** Simple packet blocks have no time of their own: they are given that of the packet before them. */
  private lastMicros = 0;

  decode(vector: PacketVector, from: number, end: number): number {
    let at = from;
    while (this.fault === null) {
      const next = this.left > 0 ? this.skip(vector.view, at, end) : this.block(vector, at, end);
      if (next === at) break;
      this.offset += next - at;
      at = next;
    }
    return at;
  }

  finish(left: number): CaptureFault | null {
    if (this.fault === null && (left > 0 || this.left > 0)) {
      const begins = this.left > 0 ? this.blockOffset : this.offset;
      this.fault = {
        reason: "cut-short",
        offset: begins,
        detail: `ends after ${this.offset + left - begins} octets of a block`,
      };
    }
    return this.fault;
  }

  /** Passes over what is left of a block and compares its trailer. Returns `at` when it needs more octets, or at a fault. */
  private skip(view: DataView, at: number, end: number): number {
    const body = Math.min(this.left - BLOCK_TRAILER, end - at);
    if (body > 0) {
      this.left -= body;
      return at + body;
    }
    if (end - at < BLOCK_TRAILER) return at;
    const trailer = view.getUint32(at, this.little);
    if (trailer !== this.total) {
      this.fail("block-trailer", `a block of ${this.total} octets that ends with the length ${trailer}`);
      return at;
    }
    this.left = 0;
    return at + BLOCK_TRAILER;
  }

  /** Reads a block's header and what its type has to say. Returns `at` when it needs more octets or room, or at a fault. */
  private block(vector: PacketVector, at: number, end: number): number {
    if (end - at < BLOCK_MIN) return at;
    const { view } = vector;
    this.blockOffset = this.offset;
    const type = view.getUint32(at, this.little);
    // Only a section may come first; and the byte order of its length is known only from the word after it.
    if (type === BLOCK_SECTION || !this.begun) return this.section(view, at, end);
    const total = view.getUint32(at + 4, this.little);
    if (total < BLOCK_MIN || total % 4 !== 0) return this.fail("block-length", `a block of ${total} octets`, at);
    this.total = total;
    switch (type) {
      case BLOCK_PACKET_ENHANCED:
      case BLOCK_PACKET_OBSOLETE:
        return this.packet(vector, type, at, end);
      case BLOCK_PACKET_SIMPLE:
        return this.simplePacket(vector, at, end);
      case BLOCK_INTERFACE:
        return this.describe(view, at, end);
      default:
        this.left = total - BLOCK_HEADER;
        return at + BLOCK_HEADER;
    }
  }

  private section(view: DataView, at: number, end: number): number {
    if (end - at < SECTION_MIN) return at;
    const order = view.getUint32(at + 8);
    if (order !== BYTE_ORDER && order !== BYTE_ORDER_SWAPPED) {
      return this.fail("byte-order", `a section whose byte-order mark is 0x${order.toString(16).padStart(8, "0")}`, at);
    }
    this.little = order === BYTE_ORDER_SWAPPED;
    const total = view.getUint32(at + 4, this.little);
    if (total < SECTION_MIN || total % 4 !== 0)
      return this.fail("block-length", `a section header of ${total} octets`, at);
    const major = view.getUint16(at + 12, this.little);
    if (major !== 1)
      return this.fail("version", `pcapng version ${major}.${view.getUint16(at + 14, this.little)}, not 1`, at);
    this.begun = true;
    this.interfaces.length = 0;
    this.total = total;
    this.left = total - (SECTION_MIN - BLOCK_TRAILER);
    return at + (SECTION_MIN - BLOCK_TRAILER);
  }

  private describe(view: DataView, at: number, end: number): number {
    const { total } = this;
    if (total < INTERFACE_MIN || total > MAX_INTERFACE_BLOCK) {
      return this.fail("block-length", `an interface description of ${total} octets`, at);
    }
    if (end - at < total) return at;
    if (this.interfaces.length === MAX_INTERFACES) {
      return this.fail("interface-limit", `more than ${MAX_INTERFACES} interfaces in a section`, at);
    }
    const described = decodeInterface(view, at + BLOCK_HEADER, at + total - BLOCK_TRAILER, this.little);
    if (described === null) return this.fail("option-length", "an interface option longer than its block", at);
    this.interfaces.push(described);
    this.left = BLOCK_TRAILER;
    return at + total - BLOCK_TRAILER;
  }

  private packet(vector: PacketVector, type: number, at: number, end: number): number {
    const { total, little } = this;
    const { view } = vector;
    if (total < PACKET_MIN) return this.fail("block-length", `a packet block of ${total} octets`, at);
    if (end - at < PACKET_AT || vector.length === VECTOR_LENGTH) return at;
    const id = type === BLOCK_PACKET_ENHANCED ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little);
    const captured = view.getUint32(at + 20, little);
    const wire = view.getUint32(at + 24, little);
    const source = this.interfaces[id];
    if (source === undefined) return this.undescribed(id, at);
    if (captured > MAX_PACKET_OCTETS || captured > total - PACKET_MIN) return this.tooLong(captured, at);
    if (end - at < PACKET_AT + captured) return at;
    this.lastMicros = source.micros(view.getUint32(at + 12, little), view.getUint32(at + 16, little));
    return this.add(vector, source, at, PACKET_AT, captured, wire);
  }

  private simplePacket(vector: PacketVector, at: number, end: number): number {
    const { total } = this;
    if (total < SIMPLE_MIN) return this.fail("block-length", `a packet block of ${total} octets`, at);
    if (vector.length === VECTOR_LENGTH) return at;
    const wire = vector.view.getUint32(at + 8, this.little);
    const source = this.interfaces[0];
    if (source === undefined) return this.undescribed(0, at);
    // No field says how much was captured: all of it, up to the interface's snap length and what the block can hold.
    const kept = source.snapLength === 0 ? wire : Math.min(wire, source.snapLength);
    const captured = Math.min(kept, total - SIMPLE_MIN);
    if (captured > MAX_PACKET_OCTETS) return this.tooLong(captured, at);
    if (end - at < SIMPLE_AT + captured) return at;
    return this.add(vector, source, at, SIMPLE_AT, captured, wire);
  }

  private add(
    vector: PacketVector,
    from: PcapngInterface,
    at: number,
    head: number,
    captured: number,
    wire: number,
  ): number {
    vector.add(at + head, captured, Math.max(wire, captured), this.lastMicros, from.linkType, this.source);
    this.left = this.total - head - captured;
    return at + head + captured;
  }

  private undescribed(id: number, at: number): number {
    return this.fail("interface-unknown", `a packet of interface ${id}, of ${this.interfaces.length} described`, at);
  }

  private tooLong(captured: number, at: number): number {
    return this.fail("packet-length", `a packet of ${captured} octets in a block of ${this.total}`, at);
  }

  private fail(reason: CaptureFaultReason, detail: string, at = 0): number {
    this.fault = { reason, offset: this.blockOffset, detail };
    return at;
  }
}
