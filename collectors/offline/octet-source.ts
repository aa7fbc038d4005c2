import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { OperationalError, systemWords } from "../runtime/errors.ts";

/** Octets of one file in order, pulled by whoever has room for them. */
export interface OctetSource {
  /** Octets as they are stored, null where nobody knows: pipes. */
  readonly size: number | null;
  /** Stored octets taken so far. */
  readonly taken: number;
  /** Puts up to `length` octets into `into` from `at`: how many, 0 at the end. Throws or rejects when reading fails. */
  read(into: Uint8Array, at: number, length: number): number | Promise<number>;
  close(): void;
}

/** A file by its path, or a device. */
class FileSource implements OctetSource {
  readonly size: number | null;
  taken = 0;
  private readonly descriptor: number;
  private open = true;

  constructor(descriptor: number, size: number | null) {
    this.descriptor = descriptor;
    this.size = size;
  }

  read(into: Uint8Array, at: number, length: number): number {
    // Synchronous on purpose: from the page cache a thread's round trip costs more than the copy.
    const got = readSync(this.descriptor, into, at, length, null);
    this.taken += got;
    return got;
  }

  close(): void {
    if (this.open) closeSync(this.descriptor);
    this.open = false;
  }
}

/** A stream of octets, such as standard input: read as it comes, whatever stands behind it. */
export class StreamSource implements OctetSource {
  readonly size = null;
  taken = 0;
  private readonly stream: Readable;
  private readonly chunks: AsyncIterator<unknown>;
  private chunk: Uint8Array = new Uint8Array(0);

  constructor(stream: Readable) {
    this.stream = stream;
    this.chunks = stream[Symbol.asyncIterator]();
  }

  async read(into: Uint8Array, at: number, length: number): Promise<number> {
    while (this.chunk.length === 0) {
      const next = await this.chunks.next();
      if (next.done === true) return 0;
      this.chunk = next.value instanceof Uint8Array ? next.value : Buffer.from(String(next.value));
    }
    const taken = this.chunk.subarray(0, length);
    into.set(taken, at);
    this.chunk = this.chunk.subarray(taken.length);
    this.taken += taken.length;
    return taken.length;
  }

  close(): void {
    this.stream.destroy();
  }
}

/** What to tell about a failed call on the file at `path`, by its error code. */
function reasonOf(error: unknown, path: string): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT":
      // Node makes a path text before anybody sees it, and what is no UTF-8 is then another name.
      return path.includes("\ufffd")
        ? "a name that is not UTF-8 cannot be opened; use standard input: rejoin read - < FILE"
        : "no such file";
    case "EACCES":
    case "EPERM":
      return "no permission to read it; run as a user who may, or change its mode";
    case "EISDIR":
      return "is a directory; name the capture files in it, such as DIR/*.pcap";
    case "EMFILE":
    case "ENFILE":
      return "too many open files; raise the limit (ulimit -n) or name fewer files";
    default:
      return systemWords(error);
  }
}

/** Opens the file at `path`, or `stdin` for `-`. Throws an OperationalError that says why it cannot be read. */
export function openSource(path: string, stdin: Readable): OctetSource {
  if (path === "-") return new StreamSource(stdin);
  try {
    // To open a pipe that nobody writes to yet would keep signals out, and so would a read of it.
    const { O_RDONLY, O_NONBLOCK } = constants;
    const descriptor = openSync(path, statSync(path).isFIFO() ? O_RDONLY | O_NONBLOCK : O_RDONLY);
    const about = fstatSync(descriptor);
    if (about.isDirectory()) {
      closeSync(descriptor);
      throw Object.assign(new Error(), { code: "EISDIR" });
    }
    if (about.isFIFO()) return new StreamSource(new Socket({ fd: descriptor, readable: true, writable: false }));
    return new FileSource(descriptor, about.isFile() ? about.size : null);
  } catch (error) {
    throw new OperationalError("capture-unreadable", `${path}: ${reasonOf(error, path)}`, { cause: error });
  }
}
