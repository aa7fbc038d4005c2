import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import type { OctetSource } from "./octet-source.ts";
import { CutShortError, ZstdExpander } from "./zstd-expander.ts";

/**
 * Compressed octets expanded in one go by node:zlib. What comes out waits in memory, so this bounds it: gzip makes at
 * most 1,032 times as much (32 MiB), zstd 128 KiB of 4 octets (1 GiB, in a file made to do so).
 */
const STREAM_CHUNK = 32_768;
/** Octets an expander hands over at once; what it holds when it meets damage is lost. */
const OUTPUT_CHUNK = 65_536;

/** The compressions that are read, by the octets a file begins with. */
export type Compression = "gzip" | "zstd";

/** Tells a compressed file by its first octets (4 are enough): RFC 1952 §2.3.1, RFC 8878 §3.1; null when it is not. */
export function compressionOf(head: Uint8Array): Compression | null {
  const [a, b, c, d] = head;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  // A skippable frame, as parallel zstd writes before its data.
  if (a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  return null;
}

/** Octets that could not be expanded; the message says why, to stand after a file's name. */
export class ExpansionError extends Error {}

interface Expander {
  /** Octets to hand over per `push`. */
  readonly chunk: number;
  push(octets: Uint8Array): void | Promise<void>;
  finish(): void | Promise<void>;
  close(): void;
}

/** gzip, and zstd on a Node that has it: node:zlib, which works on another thread meanwhile. */
class StreamExpander implements Expander {
  readonly chunk = STREAM_CHUNK;
  private readonly stream: Transform;
  /** Rejects the call under way: on damage the stream calls nobody back, it only emits the error. */
  private reject: (error: Error) => void = () => {};

  constructor(stream: Transform, deliver: (octets: Uint8Array) => void) {
    this.stream = stream;
    stream.on("data", deliver);
    stream.on("error", (error) => this.reject(error));
  }

  push(octets: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.reject = reject;
      this.stream.write(octets, (error) => (error ? reject(error) : resolve()));
    });
  }

  finish(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.reject = reject;
      // Padding after the compressed data ends the stream before its input ends.
      if (this.stream.readableEnded) resolve();
      else this.stream.once("end", resolve).end();
    });
  }

  close(): void {
    this.stream.destroy();
  }
}

function expanderFor(compression: Compression, deliver: (octets: Uint8Array) => void): Expander {
  if (compression === "gzip") {
    return new StreamExpander(zlib.createGunzip({ chunkSize: OUTPUT_CHUNK }), deliver);
  }
  const native: unknown = Reflect.get(zlib, "createZstdDecompress");
  return typeof native === "function"
    ? new StreamExpander(native({ chunkSize: OUTPUT_CHUNK }), deliver)
    : new ZstdExpander(deliver);
}

/** The plain octets of a compressed source. Octets before a damage are all handed over before `read` rejects. */
export class ExpandedSource implements OctetSource {
  readonly size: number | null;
  private readonly source: OctetSource;
  private readonly compression: Compression;
  private readonly expander: Expander;
  private readonly input: Uint8Array;
  private head: Uint8Array;
  /** Expanded and not yet read; bounded by what one chunk expands to. */
  private readonly waiting: Uint8Array[] = [];
  private expanding: Promise<boolean> | null = null;

  /** `head` are the octets that were taken from `source` to tell what it is; they come first. */
  constructor(source: OctetSource, compression: Compression, head: Uint8Array) {
    this.source = source;
    this.compression = compression;
    this.size = source.size;
    this.head = head;
    this.expander = expanderFor(compression, (octets) => {
      if (octets.length > 0) this.waiting.push(octets);
    });
    this.input = new Uint8Array(this.expander.chunk);
  }

  get taken(): number {
    return this.source.taken;
  }

  async read(into: Uint8Array, at: number, length: number): Promise<number> {
    while (this.waiting.length === 0) {
      this.expanding ??= this.expand();
      const more = await this.expanding;
      this.expanding = null;
      if (!more && this.waiting.length === 0) return 0;
    }
    let filled = 0;
    for (;;) {
      const [first] = this.waiting;
      if (first === undefined || filled === length) break;
      const part = first.subarray(0, length - filled);
      into.set(part, at + filled);
      filled += part.length;
      if (part.length === first.length) this.waiting.shift();
      else this.waiting[0] = first.subarray(part.length);
    }
    // The next chunk expands on the other thread while the caller works on this one.
    if (this.waiting.length === 0) {
      this.expanding ??= this.expand();
      this.expanding.catch(() => {});
    }
    return filled;
  }

  close(): void {
    this.expander.close();
    this.source.close();
  }

  /** Expands one chunk; false after the last. */
  private async expand(): Promise<boolean> {
    const octets = await this.compressed();
    try {
      if (octets.length === 0) await this.expander.finish();
      else await this.expander.push(octets);
    } catch (error) {
      throw new ExpansionError(this.explain(error), { cause: error });
    }
    return octets.length > 0;
  }

  private async compressed(): Promise<Uint8Array> {
    const { head } = this;
    if (head.length > 0) {
      const part = head.subarray(0, this.input.length);
      this.head = head.subarray(part.length);
      return part;
    }
    return this.input.subarray(0, await this.source.read(this.input, 0, this.input.length));
  }

  private explain(error: unknown): string {
    const isShort =
      error instanceof CutShortError || (error instanceof Error && "code" in error && error.code === "Z_BUF_ERROR");
    if (isShort) return `its ${this.compression} data is cut short: ends at octet ${this.taken}`;
    const why = error instanceof Error ? error.message : String(error);
    return `its ${this.compression} data is damaged (${why}) before octet ${this.taken}`;
  }
}
