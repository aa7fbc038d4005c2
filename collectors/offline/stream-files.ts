import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { OctetSink, Side } from "../../src/pipeline.ts";
import { OperationalError } from "../runtime/errors.ts";

/** Files open at a time; the one that was longest without octets is closed for the next. */
const MAX_OPEN = 256;
/** What hosts sent is not for everybody on the machine; a file that is there keeps its mode. */
const MODE = 0o640;
/** Octets of one file that wait to be written together; 16 MiB for all open files. */
const BUFFER_OCTETS = 65_536;
/**
 * Names of files begun by this run that are remembered, so that opening one again does not empty it. Names are forgotten
 * as sessions end; past this bound the oldest are, and such a file is then not emptied of what an earlier run left in it.
 */
const MAX_REMEMBERED = 1_048_576;

const SIDE_NAMES = ["initiator", "responder"] as const;

/** A file that is open, and its octets that are not written yet. */
interface OpenFile {
  readonly descriptor: number;
  readonly buffer: Uint8Array;
  /** Where `buffer` belongs in the file, and how much of it is filled. */
  offset: number;
  filled: number;
}

/**
 * Writes the streams of sessions to DIR/<session id>.initiator and .responder, each octet at its offset: what is missing
 * reads as zeros. A file comes into being with its first octet. A failed write ends all writing; `close` tells of it.
 */
export class StreamFiles implements OctetSink {
  private readonly directory: string;
  /** In order of last use: the first is the next to be closed. */
  private readonly open = new Map<string, OpenFile>();
  private readonly begun = new Set<string>();
  private failure: OperationalError | null = null;
  /** Octets not written after a failure. */
  private shed = 0;

  /** Makes `directory` in a folder that exists. Throws an OperationalError when nothing can be written there. */
  constructor(directory: string) {
    this.directory = directory;
    try {
      // Not `recursive`: Node 20 never comes back from that where the parent refuses with ENOENT, as /proc does.
      if (!existsSync(directory)) mkdirSync(directory);
      if (!statSync(directory).isDirectory()) throw new Error("it is a file, not a folder");
      accessSync(directory, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw this.failed(directory, error);
    }
  }

  octets(sessionId: string, side: Side, offset: number, block: Uint8Array, at: number, length: number): void {
    if (this.failure !== null) {
      this.shed += length;
      return;
    }
    const name = `${sessionId}.${SIDE_NAMES[side]}`;
    try {
      const file = this.fileOf(name);
      if (offset !== file.offset + file.filled || length > BUFFER_OCTETS - file.filled) {
        flush(file);
        file.offset = offset;
      }
      if (length > BUFFER_OCTETS) {
        writeAll(file.descriptor, block, at, length, offset);
        return;
      }
      file.buffer.set(block.subarray(at, at + length), file.filled);
      file.filled += length;
    } catch (error) {
      this.failure = this.failed(join(this.directory, name), error);
      this.shed += length;
    }
  }

  /** Closes a session's files: no more octets of it will come. */
  end(sessionId: string): void {
    for (const side of SIDE_NAMES) {
      const name = `${sessionId}.${side}`;
      this.release(name);
      this.begun.delete(name);
    }
  }

  /** Writes what waits and closes all files. Throws the OperationalError of the first write that failed, if one did. */
  close(): void {
    for (const name of [...this.open.keys()]) this.release(name);
    if (this.failure !== null) {
      throw new OperationalError(this.failure.code, `${this.failure.message}; ${this.shed} octets were not written`);
    }
  }

  private fileOf(name: string): OpenFile {
    const known = this.open.get(name);
    if (known !== undefined) {
      // Last used: to the end of the order.
      this.open.delete(name);
      this.open.set(name, known);
      return known;
    }
    const [oldest] = this.open.keys();
    if (oldest !== undefined && this.open.size >= MAX_OPEN) this.release(oldest);
    const descriptor = openSync(join(this.directory, name), this.begun.has(name) ? "r+" : "w", MODE);
    const file: OpenFile = { descriptor, buffer: new Uint8Array(BUFFER_OCTETS), offset: 0, filled: 0 };
    this.open.set(name, file);
    this.remember(name);
    return file;
  }

  private remember(name: string): void {
    const [oldest] = this.begun;
    if (oldest !== undefined && this.begun.size >= MAX_REMEMBERED) this.begun.delete(oldest);
    this.begun.add(name);
  }

  private release(name: string): void {
    const file = this.open.get(name);
    if (file === undefined) return;
    this.open.delete(name);
    try {
      flush(file);
    } catch (error) {
      this.failure ??= this.failed(join(this.directory, name), error);
      this.shed += file.filled;
    }
    closeSync(file.descriptor);
  }

  private failed(path: string, error: unknown): OperationalError {
    const why = error instanceof Error ? error.message : String(error);
    return new OperationalError(
      "streams-unwritable",
      `${path}: streams cannot be written here (${why}); name another --streams folder`,
    );
  }
}

function flush(file: OpenFile): void {
  writeAll(file.descriptor, file.buffer, 0, file.filled, file.offset);
  file.offset += file.filled;
  file.filled = 0;
}

/** A write may take fewer octets than it is given, on a disk that is nearly full for one. */
function writeAll(descriptor: number, octets: Uint8Array, at: number, length: number, offset: number): void {
  for (let done = 0; done < length; ) done += writeSync(descriptor, octets, at + done, length - done, offset + done);
}
