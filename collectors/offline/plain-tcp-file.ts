import { closeSync, fstatSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import { PCAP_RECORD_HEADER } from "../../src/capture-file/pcap-decoder.ts";
import { encodePcapHeader, type PcapFormat, putPcapRecord } from "../../src/capture-file/pcap-encoder.ts";
import { LINKTYPE_RAW } from "../../src/wire/link-type.ts";
import { OperationalError } from "../runtime/errors.ts";

const FORMAT: PcapFormat = { linkType: LINKTYPE_RAW, nanoseconds: false, littleEndian: true };
/** What hosts sent is not for everybody on the machine; a file that is there keeps its mode. */
const MODE = 0o640;
const STDIN = 0;
/** Octets that wait to be written together. */
const BUFFER_OCTETS = 262_144;

/**
 * Writes sessions told again as plain TCP connections (src/plain-tcp) to a pcap file of raw IP packets. A failed write ends all
 * writing; `close` tells of it.
 */
export class PlainTcpFile {
  private readonly path: string;
  private readonly descriptor: number;
  private readonly buffer = new Uint8Array(BUFFER_OCTETS);
  private readonly view = new DataView(this.buffer.buffer);
  private filled = 0;
  /** Packets in the buffer. */
  private waiting = 0;
  private failure: OperationalError | null = null;
  /** Packets not written for a failure, and those of the buffer that it met. */
  private shed = 0;

  /**
   * Makes the file, or empties it. Throws an OperationalError where it cannot be written, is none (a folder, a pipe), or is
   * one of `inputs`, of which `-` is standard input.
   */
  constructor(path: string, inputs: readonly string[]) {
    this.path = path;
    try {
      const known = statOf(path);
      if (known !== null && !known.isFile()) throw new Error("it is no ordinary file");
      for (const input of inputs) {
        const read = input === "-" ? fstatSync(STDIN) : statOf(input);
        if (known !== null && read !== null && known.ino === read.ino && known.dev === read.dev)
          throw new Error(`it is ${input}, which is to be read`);
      }
      this.descriptor = openSync(path, "w", MODE);
    } catch (error) {
      throw this.failed(error);
    }
    const header = encodePcapHeader(FORMAT);
    this.buffer.set(header);
    this.filled = header.length;
  }

  /** Adds an IP packet. */
  add(packet: Uint8Array, atMicros: number): void {
    if (this.failure !== null) {
      this.shed++;
      return;
    }
    const { length } = packet;
    if (this.filled + PCAP_RECORD_HEADER + length > BUFFER_OCTETS) this.flush();
    const at = putPcapRecord(FORMAT, this.view, this.filled, atMicros, length, length);
    this.buffer.set(packet, at);
    this.filled = at + length;
    this.waiting++;
  }

  /** Writes what waits and closes the file. Throws the OperationalError of the write that failed, if one did. */
  close(): void {
    this.flush();
    try {
      closeSync(this.descriptor);
    } catch (error) {
      // Some file systems say only now what they could not write.
      this.failure ??= this.failed(error);
    }
    if (this.failure !== null) {
      const { code, message } = this.failure;
      throw new OperationalError(code, `${message}; the file may lack the last ${this.shed} packets`);
    }
  }

  private flush(): void {
    if (this.failure !== null) return;
    try {
      for (let done = 0; done < this.filled; )
        done += writeSync(this.descriptor, this.buffer, done, this.filled - done);
    } catch (error) {
      this.failure = this.failed(error);
      this.shed = this.waiting;
    }
    this.filled = 0;
    this.waiting = 0;
  }

  private failed(error: unknown): OperationalError {
    const why = error instanceof Error ? error.message : String(error);
    return new OperationalError(
      "plain-tcp-unwritable",
      `${this.path}: no capture can be written here (${why}); name another --plain-tcp file`,
    );
  }
}

/** Null where there is none. */
function statOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}
