import type { PacketVector } from "../vector.ts";

/**
 * Octets one packet of a capture file may have: the largest snap length that tcpdump and Wireshark write. A length
 * above it is damage, not a packet.
 */
export const MAX_PACKET_OCTETS = 262_144;

/** Octets a reader must be able to hold at once, so that every packet with its headers fits: the least size of a window. */
export const MIN_WINDOW_OCTETS = MAX_PACKET_OCTETS + 4_096;

/** What can be wrong with a capture file: a closed list. */
export type CaptureFaultReason =
  | "cut-short"
  | "version"
  | "byte-order"
  | "packet-length"
  | "block-length"
  | "block-trailer"
  | "option-length"
  | "interface-unknown"
  | "interface-limit";

/** Why a capture file cannot be read any further. */
export interface CaptureFault {
  readonly reason: CaptureFaultReason;
  /** Octet of the (uncompressed) file at which the header, record or block in question begins. */
  readonly offset: number;
  /** What was found there, in words and numbers, to stand after a file's name. */
  readonly detail: string;
}

/**
 * Walks the octets of one capture file, handed over in pieces, and puts its packets into vectors by reference. One
 * decoder belongs to one file; it never throws for what is in the file.
 */
export interface CaptureDecoder {
  /** `Pipeline.addSource` number that packets get in `PacketVector.source`. */
  source: number;
  /** True once the file's own header was read and made sense. */
  readonly begun: boolean;
  /** Set when nothing more can be read; every later `decode` adds nothing. */
  readonly fault: CaptureFault | null;
  /**
   * Adds packets from octets `at` to `end` of the vector's block, where `at` continues what the last call returned.
   * Stops when the vector is full, when the next record is not whole (at most MIN_WINDOW_OCTETS of it are asked for),
   * or at a fault. Returns the octet to go on from.
   */
  decode(vector: PacketVector, at: number, end: number): number;
  /** Says that the file ended with `left` octets not decoded: null at a clean end, otherwise what was cut short. */
  finish(left: number): CaptureFault | null;
}
