import { putPacket, type Segment, wireOctets } from "./packet-octets.ts";
import { PcapFile } from "./pcap-file.ts";
import type { Pieces } from "./pieces.ts";

/** 2026-01-01T00:00:00Z. */
export const EPOCH_SECONDS = 1_767_225_600;

/** Who takes the packets of a schedule, one after the other. */
export interface SegmentSink {
  readonly pieces: Pieces;
  /** Microseconds since the first packet, of the packet that is written next. */
  readonly micros: number;
  /** Takes a packet; the segment is used again for the next. */
  write(segment: Segment): void;
}

/**
 * Writes segments as agents' GRE copies (RFC 2890 key and sequence number) on Ethernet into a pcap file, in order of time.
 */
export class PacketWriter implements SegmentSink {
  readonly pieces: Pieces;
  /** Packets written, by agent. */
  readonly packets: [number, number] = [0, 0];
  /** Payload octets that the snap length cut off. */
  cutOctets = 0;
  private readonly file: PcapFile;
  private readonly snap: number;
  private readonly microsPerPacket: number;

  /** `snap`: octets of each packet to keep. Throws where the file cannot be made. */
  constructor(path: string, snap: number, microsPerPacket: number, pieces: Pieces) {
    this.file = new PcapFile(path, snap);
    this.snap = snap;
    this.microsPerPacket = microsPerPacket;
    this.pieces = pieces;
  }

  get micros(): number {
    return (this.packets[0] + this.packets[1]) * this.microsPerPacket;
  }

  write(segment: Segment): void {
    const wire = wireOctets(segment);
    const captured = Math.min(wire, this.snap);
    this.cutOctets += wire - captured;
    const { file, micros, pieces } = this;
    const at = file.begin(EPOCH_SECONDS + Math.floor(micros / 1e6), micros % 1e6, captured, wire, wire);
    const number = this.packets[segment.agent === 0 ? 0 : 1]++;
    putPacket(file.buffer, file.view, at, segment, number, captured, pieces);
  }

  /** Octets of the finished file. */
  close(): number {
    return this.file.close();
  }
}
