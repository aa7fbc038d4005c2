import { closeSync, fstatSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import { PcapBuffer } from "../../src/capture-file/pcap-buffer.ts";
import { PLAIN_TCP_FORMAT } from "../../src/plain-tcp/plain-tcp.ts";
import { OperationalError } from "../runtime/errors.ts";

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
  private readonly buffer = new PcapBuffer(PLAIN_TCP_FORMAT, BUFFER_OCTETS);
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
    this.buffer.putHeader();
  }

  /** Adds an IP packet. */
  add(packet: Uint8Array, atMicros: number): void {
    if (this.failure !== null) {
      this.shed++;
      return;
    }
    if (this.buffer.put(packet, atMicros)) return;
    this.flush();
    if (this.failure === null) this.buffer.put(packet, atMicros);
    else this.shed++;
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
      const { octets } = this.buffer;
      for (let done = 0; done < octets.length; ) done += writeSync(this.descriptor, octets, done);
    } catch (error) {
      this.failure = this.failed(error);
      this.shed = this.buffer.packets;
    }
    this.buffer.clear();
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
