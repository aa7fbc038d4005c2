import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import { type CaptureDecoder, type CaptureFault, MAX_PACKET_OCTETS } from "./capture-decoder.ts";

/** First four octets of a pcap file, read big-endian: microseconds or nanoseconds, in the writer's byte order. */
export const PCAP_MICROS_BIG = 0xa1b2c3d4;
export const PCAP_MICROS_LITTLE = 0xd4c3b2a1;
export const PCAP_NANOS_BIG = 0xa1b23c4d;
export const PCAP_NANOS_LITTLE = 0x4d3cb2a1;

/** Octets of the file header: magic, version, two unused words, snap length, link type. */
export const PCAP_FILE_HEADER = 24;
/** Octets before each packet: seconds, fraction, captured length, length on the wire. */
export const PCAP_RECORD_HEADER = 16;

/** Reads the classic pcap format (draft-ietf-opsawg-pcap) in either byte order, with micro- or nanoseconds. */
export class PcapDecoder implements CaptureDecoder {
  source = 0;
  begun = false;
  fault: CaptureFault | null = null;
  private little = false;
  /** Units of the time's fraction in a microsecond: 1 or 1,000. */
  private perMicro = 1;
  private linkType = 0;
  /** Octet of the file that the next call's `at` stands for. */
  private offset = 0;

  decode(vector: PacketVector, from: number, end: number): number {
    let at = from;
    if (!this.begun) {
      if (this.fault !== null || end - at < PCAP_FILE_HEADER) return at;
      this.header(vector.view, at);
      if (!this.begun) return at;
      at += PCAP_FILE_HEADER;
    }
    if (this.fault !== null) return at;
    const { view } = vector;
    const { little, perMicro, linkType, source } = this;
    const { at: begin, captured: present, wire: whole, atMicros, linkType: linkTypes, source: sources } = vector;
    let i = vector.length;
    for (; i < VECTOR_LENGTH && end - at >= PCAP_RECORD_HEADER; i++) {
      const captured = view.getUint32(at + 8, little);
      if (captured > MAX_PACKET_OCTETS) {
        this.fault = {
          reason: "packet-length",
          offset: this.offset + (at - from),
          detail: `a packet of ${captured} octets, more than the ${MAX_PACKET_OCTETS} a packet can have`,
        };
        break;
      }
      const next = at + PCAP_RECORD_HEADER + captured;
      if (next > end) break;
      // As `vector.add`, written out.
      begin[i] = at + PCAP_RECORD_HEADER;
      present[i] = captured;
      whole[i] = Math.max(view.getUint32(at + 12, little), captured);
      atMicros[i] = view.getUint32(at, little) * 1e6 + view.getUint32(at + 4, little) / perMicro;
      linkTypes[i] = linkType;
      sources[i] = source;
      at = next;
    }
    vector.length = i;
    this.offset += at - from;
    return at;
  }

  finish(left: number): CaptureFault | null {
    if (this.fault === null && left > 0) {
      const what = this.begun ? "packet record" : "file header";
      this.fault = { reason: "cut-short", offset: this.offset, detail: `ends after ${left} octets of a ${what}` };
    }
    return this.fault;
  }

  private header(view: DataView, at: number): void {
    const magic = view.getUint32(at);
    this.little = magic === PCAP_MICROS_LITTLE || magic === PCAP_NANOS_LITTLE;
    this.perMicro = magic === PCAP_NANOS_BIG || magic === PCAP_NANOS_LITTLE ? 1000 : 1;
    const major = view.getUint16(at + 4, this.little);
    const minor = view.getUint16(at + 6, this.little);
    // Before 2.4 the two lengths of a record could stand in either order; such files are older than MPTCP.
    if (major !== 2 || minor < 4) {
      this.fault = { reason: "version", offset: this.offset, detail: `pcap version ${major}.${minor}, not 2.4` };
      return;
    }
    // The upper half of the word tells the length of a frame check sequence, which the IP length leaves out anyway.
    this.linkType = view.getUint32(at + 20, this.little) & 0xffff;
    this.begun = true;
  }
}
