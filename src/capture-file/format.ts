import type { CaptureDecoder } from "./capture-decoder.ts";
import { PCAP_MICROS_BIG, PCAP_MICROS_LITTLE, PCAP_NANOS_BIG, PCAP_NANOS_LITTLE, PcapDecoder } from "./pcap-decoder.ts";
import { BLOCK_SECTION, PcapngDecoder } from "./pcapng-decoder.ts";

/** Octets that tell a capture file's format. */
export const FORMAT_OCTETS = 4;

/** A decoder for the file that begins with the FORMAT_OCTETS octets at `at`; null when they are no capture file's. */
export function decoderFor(view: DataView, at: number): CaptureDecoder | null {
  switch (view.getUint32(at)) {
    case BLOCK_SECTION:
      return new PcapngDecoder();
    case PCAP_MICROS_BIG:
    case PCAP_MICROS_LITTLE:
    case PCAP_NANOS_BIG:
    case PCAP_NANOS_LITTLE:
      return new PcapDecoder();
    default:
      return null;
  }
}
