import { closeSync, openSync, writeSync } from "node:fs";

const BUFFER_OCTETS = 8 << 20;
const RECORD_HEADER = 16;

/** A pcap file of Ethernet packets that is being written: microseconds, little-endian. */
export class PcapFile {
  /** The packet that `begin` made room for is written here. */
  readonly buffer = new Uint8Array(BUFFER_OCTETS);
  readonly view = new DataView(this.buffer.buffer);
  private readonly file: number;
  private used = 0;
  private written = 0;

  /** `snap`: octets of each packet that are kept. Throws where the file cannot be made. */
  constructor(path: string, snap: number) {
    this.file = openSync(path, "w");
    const header = [0xa1b2c3d4, 0x00040002, 0, 0, snap, 1];
    header.forEach((word, i) => {
      this.view.setUint32(4 * i, word, true);
    });
    this.used = 4 * header.length;
  }

  /** Begins a packet of so many octets, and returns where in `buffer` they belong; `room` octets may be written there. */
  begin(seconds: number, micros: number, captured: number, wire: number, room: number): number {
    if (this.used + RECORD_HEADER + room > BUFFER_OCTETS) this.flush();
    const { view } = this;
    const start = this.used;
    view.setUint32(start, seconds, true);
    view.setUint32(start + 4, micros, true);
    view.setUint32(start + 8, captured, true);
    view.setUint32(start + 12, wire, true);
    this.used = start + RECORD_HEADER + captured;
    return start + RECORD_HEADER;
  }

  /** Octets of the finished file. */
  close(): number {
    this.flush();
    closeSync(this.file);
    return this.written;
  }

  private flush(): void {
    let done = 0;
    while (done < this.used) done += writeSync(this.file, this.buffer, done, this.used - done);
    this.written += this.used;
    this.used = 0;
  }
}
