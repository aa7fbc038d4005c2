import { MAX_PACKET_OCTETS } from "./capture-decoder.ts";
import { PCAP_FILE_HEADER, PCAP_MICROS_BIG, PCAP_NANOS_BIG, PCAP_RECORD_HEADER } from "./pcap-decoder.ts";

/** How a pcap file is written. */
export interface PcapFormat {
  /** LINKTYPE_ value (`src/wire/link-type.ts`) of every packet in the file. */
  readonly linkType: number;
  readonly nanoseconds: boolean;
  readonly littleEndian: boolean;
}

/** The 24 octets a pcap file begins with. */
export function encodePcapHeader(format: PcapFormat): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(PCAP_FILE_HEADER);
  const view = new DataView(octets.buffer);
  view.setUint32(0, format.nanoseconds ? PCAP_NANOS_BIG : PCAP_MICROS_BIG, format.littleEndian);
  view.setUint16(4, 2, format.littleEndian);
  view.setUint16(6, 4, format.littleEndian);
  view.setUint32(16, MAX_PACKET_OCTETS, format.littleEndian);
  view.setUint32(20, format.linkType, format.littleEndian);
  return octets;
}

/**
 * Writes a packet's record header at `at` and returns the octet after it, where its `captured` octets belong.
 * `atMicros` is rounded to the format's unit; seconds are those since 1970, modulo 2^32.
 */
export function putPcapRecord(
  format: PcapFormat,
  view: DataView,
  at: number,
  atMicros: number,
  captured: number,
  wire: number,
): number {
  const { littleEndian, nanoseconds } = format;
  const perSecond = nanoseconds ? 1_000_000_000 : 1_000_000;
  let seconds = Math.floor(atMicros / 1e6);
  // The part of a second is taken first: whole microseconds with a fraction are exact, nanoseconds since 1970 are not.
  let fraction = Math.round((atMicros - seconds * 1e6) * (perSecond / 1e6));
  if (fraction === perSecond) {
    seconds += 1;
    fraction = 0;
  }
  view.setUint32(at, seconds, littleEndian);
  view.setUint32(at + 4, fraction, littleEndian);
  view.setUint32(at + 8, captured, littleEndian);
  view.setUint32(at + 12, wire, littleEndian);
  return at + PCAP_RECORD_HEADER;
}
