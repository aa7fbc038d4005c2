import { PCAP_FILE_HEADER, PCAP_RECORD_HEADER } from "./pcap-decoder.ts";
import { encodePcapHeader, type PcapFormat, putPcapRecord } from "./pcap-encoder.ts";

/** Packets as a pcap file has them, one behind the other in memory of one size, to be written together. */
export class PcapBuffer {
  /** Those that are in it. */
  packets = 0;
  private readonly format: PcapFormat;
  private readonly memory: Uint8Array<ArrayBuffer>;
  private readonly view: DataView;
  private filled = 0;

  /** @param size octets, at least those of a file's header, or of the largest packet and its header */
  constructor(format: PcapFormat, size: number) {
    this.format = format;
    this.memory = new Uint8Array(size);
    this.view = new DataView(this.memory.buffer);
  }

  /** What a file goes on with; valid until something is put in, or all is taken out. */
  get octets(): Uint8Array {
    return this.memory.subarray(0, this.filled);
  }

  /** Adds what a file begins with: this is what it begins with. */
  putHeader(): void {
    this.memory.set(encodePcapHeader(this.format), this.filled);
    this.filled += PCAP_FILE_HEADER;
  }

  /** Adds a whole packet, copied; false, and nothing is done, where there is no room for it any more. */
  put(packet: Uint8Array, atMicros: number): boolean {
    const { length } = packet;
    if (this.filled + PCAP_RECORD_HEADER + length > this.memory.length) return false;
    const at = putPcapRecord(this.format, this.view, this.filled, atMicros, length, length);
    this.memory.set(packet, at);
    this.filled = at + length;
    this.packets++;
    return true;
  }

  /** Takes everything out. */
  clear(): void {
    this.filled = 0;
    this.packets = 0;
  }
}
