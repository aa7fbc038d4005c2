import {
  closeSync,
  copyFileSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { AtRest } from "./at-rest.ts";
import { type PackedRecord, type Part, unpackPart } from "./batch.ts";
import { decodeHeader, decodePayload, encodeFrame, type Frame, HEADER_OCTETS, isWhole, MAGIC } from "./frame.ts";
import { RECORD_CLASSES, type RecordClass } from "./outbox.ts";

/** A frame as it was read, and where the next one begins. */
export interface ReadFrame {
  readonly frame: Frame;
  readonly records: readonly PackedRecord[];
  readonly end: number;
}

/** Why a segment can never be read further. */
export class SegmentDamage extends Error {}

const NAME = /^([a-z]+)-(\d{16})\.segment$/;

/**
 * Frames of one class in the order in which they were appended: a file `CLASS-FIRST.segment`, FIRST being the sequence
 * number of its first batch, or a piece of memory where the disk would not take them.
 */
export class Segment {
  readonly recordClass: RecordClass;
  readonly first: number;
  /** Sequence number of the newest record, and the outbox's clock when it came. */
  last: number;
  clockMs = 0;
  /** The same of its first record. */
  firstClockMs = Number.POSITIVE_INFINITY;
  records = 0;
  /** Of `records`: read and handed out. Kept by whoever reads. */
  taken = 0;
  octets = 0;
  isSealed = false;
  private readonly path: string | null;
  private fd: number | null = null;
  private readonly held: Buffer[] = [];
  private isDirty = false;

  private constructor(recordClass: RecordClass, first: number, path: string | null) {
    this.recordClass = recordClass;
    this.first = first;
    this.last = first - 1;
    this.path = path;
  }

  /** A new one. Throws the file system's error, and where a file of that name is there: it may be another segment's. */
  static create(directory: string, recordClass: RecordClass, first: number): Segment {
    const name = `${recordClass}-${String(first).padStart(16, "0")}.segment`;
    const segment = new Segment(recordClass, first, join(directory, name));
    segment.fd = openSync(join(directory, name), "wx+", 0o600);
    return segment;
  }

  /** A new one that is in memory only. */
  static hold(recordClass: RecordClass, first: number): Segment {
    return new Segment(recordClass, first, null);
  }

  /**
   * One that an earlier process left; null where the name is not a segment's. Of a sealed one only the end is read.
   * Of another what does not follow whole frames is cut off: the process ended while it wrote. So is what stands behind
   * a footer. Throws the file system's error.
   */
  static open(directory: string, name: string): Segment | null {
    const [, className, first] = NAME.exec(name) ?? [];
    const recordClass = RECORD_CLASSES.find((one) => one === className);
    if (recordClass === undefined) return null;
    const segment = new Segment(recordClass, Number(first), join(directory, name));
    segment.fd = openSync(join(directory, name), "r+");
    const size = fstatSync(segment.fd).size;
    const footer = size < HEADER_OCTETS ? null : segment.frameAt(size - HEADER_OCTETS, size);
    if (footer?.frame.kind === "footer") {
      segment.octets = size;
      const header = decodeHeader(segment.octetsAt(0, HEADER_OCTETS));
      segment.firstClockMs = header?.clockMs ?? footer.frame.clockMs;
      segment.count(footer.frame);
      segment.isSealed = true;
      segment.close();
      return segment;
    }
    for (let frame = segment.frameAt(0, size); frame !== null; frame = segment.frameAt(segment.octets, size)) {
      segment.octets = frame.end;
      // Its counts are those of the frames before it.
      segment.isSealed = frame.frame.kind === "footer";
      if (segment.isSealed) break;
      segment.count(frame.frame);
    }
    if (segment.octets < size) {
      // Whole frames behind it were not cut short by the end of a process.
      if (segment.octetsAt(segment.octets, size).includes(MAGIC, 1)) {
        copyFileSync(join(directory, name), join(directory, `${name}.damaged`));
      }
      ftruncateSync(segment.fd, segment.octets);
    }
    if (segment.isSealed) segment.close();
    else segment.finish();
    return segment;
  }

  get isHeld(): boolean {
    return this.path === null;
  }

  /** The file's name for the log. */
  get name(): string {
    return this.path ?? "memory";
  }

  /** Appends a part of the batch that begins at `base`. Throws the file system's error, and then holds none of it. */
  append(part: Part, base: number, clockMs: number, atRest: AtRest | null): void {
    const frame = { records: part.records, base, last: base + part.lastIndex, clockMs };
    const kind = atRest === null ? "plain" : "encrypted";
    this.write(encodeFrame(frame, part.octets, kind, this.isHeld ? null : atRest));
    this.count(frame);
  }

  /** Closes it for appending. A footer that finds no room is left out: the next process counts frames instead. */
  finish(): void {
    if (this.isSealed) return;
    const all = { records: this.records, base: this.first, last: this.last, clockMs: this.clockMs };
    try {
      if (!this.isHeld) this.write(encodeFrame(all, new Uint8Array(), "footer", null));
    } catch {
      // As above.
    }
    this.isSealed = true;
  }

  /**
   * The frame at an offset; null at the end. Throws a `SegmentDamage` for anything but what was written, and where the
   * file is gone; the file system's error where it does not give the octets now.
   */
  read(offset: number, atRest: AtRest | null): ReadFrame | null {
    if (offset >= this.octets) return null;
    const found = this.frameAt(offset, this.octets);
    if (found === null) throw new SegmentDamage(`${this.name}: damaged at octet ${offset}`);
    const { frame, header, stored, end } = found;
    if (frame.kind === "footer") return null;
    try {
      const records = unpackPart(this.recordClass, decodePayload(header, stored, this.isHeld ? null : atRest));
      return { frame, records, end };
    } catch (error) {
      throw new SegmentDamage(`${this.name}: damaged at octet ${offset}: ${(error as Error).message}`);
    }
  }

  /** Asks the disk for what was written since the last time; calls back with its answer, if there is one. */
  sync(done: (error: Error | null) => void): void {
    if (!this.isDirty || this.fd === null) return;
    this.isDirty = false;
    const fd = this.fd;
    fdatasync(fd, (error) => {
      // Closed meanwhile, it is settled or shed.
      if (this.fd !== fd) return;
      if (this.isSealed && error === null) this.close();
      done(error);
    });
  }

  /** The same, at once, and with what it is being asked for. Throws the file system's error. */
  syncNow(): void {
    if (this.fd !== null) fdatasyncSync(this.fd);
  }

  /** Lets go of the file, which stays. */
  close(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
  }

  /** Deletes it, which needs no room on the disk. Throws the file system's error. */
  remove(): void {
    this.close();
    this.held.length = 0;
    if (this.path !== null) rmSync(this.path, { force: true });
  }

  /** Renames it, so that it is kept and no longer used. Returns the file system's error, or null. */
  setAside(): Error | null {
    try {
      this.close();
      if (this.path !== null) renameSync(this.path, `${this.path}.damaged`);
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  private count(frame: Omit<Frame, "kind">): void {
    this.firstClockMs = Math.min(this.firstClockMs, frame.clockMs);
    this.records += frame.records;
    this.last = frame.last;
    this.clockMs = frame.clockMs;
  }

  private write(octets: Buffer): void {
    if (this.isHeld) {
      this.held.push(octets);
    } else {
      if (this.fd === null) throw new Error(`${this.name} is closed`);
      let written = 0;
      try {
        while (written < octets.length) {
          written += writeSync(this.fd, octets, written, octets.length - written, this.octets + written);
        }
      } catch (error) {
        if (written > 0) ftruncateSync(this.fd, this.octets);
        throw error;
      }
      this.isDirty = true;
    }
    this.octets += octets.length;
  }

  /** The whole frame at an offset of the first `size` octets; null where there is none. */
  private frameAt(offset: number, size: number): { frame: Frame; header: Buffer; stored: Buffer; end: number } | null {
    if (offset + HEADER_OCTETS > size) return null;
    const header = this.octetsAt(offset, HEADER_OCTETS);
    const frame = decodeHeader(header);
    if (frame === null || offset + HEADER_OCTETS + frame.payloadOctets > size) return null;
    const stored = this.octetsAt(offset + HEADER_OCTETS, frame.payloadOctets);
    if (!isWhole(header, stored)) return null;
    return { frame, header, stored, end: offset + HEADER_OCTETS + frame.payloadOctets };
  }

  private octetsAt(offset: number, length: number): Buffer {
    if (this.isHeld) {
      let start = 0;
      for (const one of this.held) {
        if (offset < start + one.length) return one.subarray(offset - start, offset - start + length);
        start += one.length;
      }
      return Buffer.alloc(0);
    }
    this.fd ??= this.opened();
    const octets = Buffer.allocUnsafe(length);
    const read = readSync(this.fd, octets, 0, length, offset);
    return octets.subarray(0, read);
  }

  private opened(): number {
    try {
      return openSync(this.path ?? "", "r+");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new SegmentDamage(`${this.name}: it is gone`);
    }
  }
}
