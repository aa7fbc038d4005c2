import type { Readable } from "node:stream";
import type { CaptureDecoder } from "../../src/capture-file/capture-decoder.ts";
import { decoderFor, FORMAT_OCTETS } from "../../src/capture-file/format.ts";
import type { PacketMemory } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import { type Compression, compressionOf, ExpandedSource, ExpansionError } from "./expanded-source.ts";
import { type OctetSource, openSource } from "./octet-source.ts";
import { TimeSteps } from "./time-steps.ts";

/** With less room than this behind what was read, the next octets come into another window. */
const LEAST_ROOM_OCTETS = 65_536;

/**
 * One capture file being read: a window of the block that all files of a reading share, or of a pipeline's memory, a decoder
 * that walks it, and a vector of the packets it found there. The packets stay valid until `refill`.
 */
export class CaptureInput {
  /** As on the command line. */
  readonly path: string;
  /** The next packets; the reader takes them from here and calls `decode` or `next` for more. */
  readonly vector = new PacketVector();
  /** Why the file could not be read to its end, with its name and the offset; null while nothing is wrong. */
  damage: string | null = null;
  private readonly steps = new TimeSteps();
  private source: OctetSource;
  private compression: Compression | null = null;
  private decoder: CaptureDecoder | null = null;
  private memory: PacketMemory | null = null;
  private block: Uint8Array<ArrayBuffer>;
  private begin: number;
  private limit: number;
  /** Octets of the window not yet decoded. */
  private at: number;
  private end: number;
  private ended = false;

  /**
   * Opens the file; the window is octets `begin` to `limit` of `block`, at least MIN_WINDOW_OCTETS. Throws an
   * OperationalError when it cannot be opened.
   */
  constructor(path: string, stdin: Readable, block: Uint8Array<ArrayBuffer>, begin: number, limit: number) {
    this.path = path;
    this.source = openSource(path, stdin);
    this.block = block;
    this.begin = begin;
    this.limit = limit;
    this.at = begin;
    this.end = begin;
    this.vector.use(block);
  }

  /** The file in messages. */
  get title(): string {
    return this.path === "-" ? "standard input" : this.path;
  }

  /** Stored octets of the file, null for a pipe. */
  get size(): number | null {
    return this.source.size;
  }

  /** Stored octets taken so far. */
  get taken(): number {
    return this.source.taken;
  }

  /** That packets read so far are not in the order of their times, as one line; null where they are. */
  get disorder(): string | null {
    return this.steps.line(this.path, this.title);
  }

  /** Microseconds of the next packet; infinite when there is none. */
  get nextMicros(): number {
    return this.vector.length > 0 ? (this.vector.atMicros[0] ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  }

  /**
   * Finds out what the file is and decodes its first packets. Returns null, or why nothing of it can be read: one line
   * with its name.
   */
  async begins(): Promise<string | null> {
    await this.head();
    if (this.damage === null && this.end === this.begin)
      return `${this.title}: is empty; a capture file has a header at least`;
    this.compression = compressionOf(this.block.subarray(this.begin, Math.min(this.end, this.begin + FORMAT_OCTETS)));
    if (this.compression !== null) {
      const taken = this.block.slice(this.begin, this.end);
      this.source = new ExpandedSource(this.source, this.compression, taken);
      this.end = this.begin;
      this.ended = false;
      await this.head();
      if (this.damage === null && this.end === this.begin)
        return `${this.title}: holds nothing, compressed with ${this.compression}`;
    }
    if (this.end - this.begin >= FORMAT_OCTETS) this.decoder = decoderFor(this.vector.view, this.begin);
    if (this.decoder === null) return this.damage ?? this.notCapture();
    await this.next();
    return this.decoder.begun ? null : this.damage;
  }

  /** Gives the file's packets their number of `Pipeline.addSource`. */
  number(source: number): void {
    if (this.decoder !== null) this.decoder.source = source;
    this.vector.source.fill(source);
  }

  /** Has its octets come into a pipeline's memory from now on, those that it has included. */
  readInto(memory: PacketMemory): void {
    const { vector, at } = this;
    const { length } = vector;
    this.memory = memory;
    this.moveTo(memory.block, memory.nextInput(), memory.inputOctets, length > 0 ? (vector.at[0] ?? at) : at);
    vector.use(memory.block);
    vector.length = length;
    for (let i = 0; i < length; i++) vector.at[i] = (vector.at[i] ?? 0) + this.at - at;
  }

  /** Replaces the vector's packets with the next ones in the window; false when it holds no whole packet any more. */
  decode(): boolean {
    this.vector.clear();
    if (this.decoder === null) return false;
    this.at = this.decoder.decode(this.vector, this.at, this.end);
    this.steps.look(this.vector);
    return this.vector.length > 0;
  }

  /**
   * As `decode`, and refills the window for it; false at the end of the file, where `damage` tells whether it was a clean
   * one.
   */
  async next(): Promise<boolean> {
    while (!this.decode()) {
      const fault = this.decoder?.fault ?? null;
      if (fault === null && (await this.refill())) continue;
      const wrong = fault ?? this.decoder?.finish(this.end - this.at) ?? null;
      if (wrong !== null)
        this.damage ??= `${this.title}: ${wrong.detail}, at offset ${wrong.offset}${this.whichOctets()}`;
      return false;
    }
    return true;
  }

  close(): void {
    this.source.close();
  }

  /** Moves what is not decoded to a window's begin and reads on; false at the end of the file or of what is readable. */
  private async refill(): Promise<boolean> {
    if (this.ended) return false;
    const { memory } = this;
    if (memory === null) this.moveTo(this.block, this.begin, this.limit - this.begin, this.at);
    else if (this.limit - this.end < LEAST_ROOM_OCTETS) {
      this.moveTo(memory.block, memory.nextInput(), memory.inputOctets, this.at);
    }
    try {
      const got = await this.source.read(this.block, this.end, this.limit - this.end);
      this.end += got;
      this.ended = got === 0;
    } catch (error) {
      this.ended = true;
      const why = error instanceof ExpansionError ? error.message : this.explain(error);
      this.damage = `${this.title}: ${why}`;
    }
    return !this.ended;
  }

  /** Takes a window into use, with what the one before holds from `from` on. */
  private moveTo(block: Uint8Array<ArrayBuffer>, begin: number, octets: number, from: number): void {
    const moved = begin - from;
    block.set(this.block.subarray(from, this.end), begin);
    this.block = block;
    this.begin = begin;
    this.limit = begin + octets;
    this.at += moved;
    this.end += moved;
  }

  /** Fills the window until the format can be told. */
  private async head(): Promise<void> {
    while (this.end - this.begin < FORMAT_OCTETS && (await this.refill()));
  }

  private explain(error: unknown): string {
    return `reading failed at octet ${this.taken} (${error instanceof Error ? error.message : String(error)})`;
  }

  private whichOctets(): string {
    return this.compression === null ? "" : " of its uncompressed octets";
  }

  private notCapture(): string {
    const first = this.block.subarray(this.begin, Math.min(this.end, this.begin + 16));
    const isText = first.every((octet) => (octet >= 0x20 && octet < 0x7f) || (octet >= 9 && octet <= 13));
    const shown = isText
      ? `text that begins ${JSON.stringify(Buffer.from(first).toString("latin1"))}`
      : `begins with the octets ${Buffer.from(first.subarray(0, 4)).toString("hex")}`;
    return `${this.title}: is no capture file at offset 0${this.whichOctets()} (${shown}); pcap and pcapng are read, plain, gzip or zstd`;
  }
}
