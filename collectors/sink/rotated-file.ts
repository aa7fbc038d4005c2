import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Logger } from "pino";
import { counted } from "../terminal/text.ts";

/** When a `RotatedFile` is rotated, and how many of the rotated ones are kept. */
export interface Rotation {
  readonly directory: string;
  readonly rotateOctets: number;
  readonly rotateMs: number;
  readonly keep: number;
}

/** Octets read back at a time in search of the last whole line. */
const TAIL_OCTETS = 65_536;

/** How the names of rotated files end. */
const PLAIN = ".jsonl";
const COMPRESSED = ".jsonl.gz";
const UNFINISHED = ".jsonl.gz.part";

/**
 * `NAME.jsonl`, appended to; when it is big or old enough it becomes `NAME.TIME.jsonl.gz` and a new one begins. What an
 * earlier process left is continued: a line it did not finish is cut off, files it did not compress are compressed. Where
 * somebody moves or deletes the file, a new one begins with the next lines; one that is truncated goes on behind what it has left.
 */
export class RotatedFile {
  private readonly name: string;
  private readonly rotation: Rotation;
  private readonly log: Logger;
  private handle: FileHandle | null = null;
  /** Device and inode of what `handle` writes to. */
  private identity = "";
  private octets = 0;
  private bornMs = 0;
  /** Behind `octets` stands part of what a write that failed was given. */
  private isTorn = false;
  /** Compression and deletion of rotated files run behind the writing, one after the other. */
  private tidying: Promise<void> = Promise.resolve();

  constructor(name: string, rotation: Rotation, log: Logger) {
    this.name = name;
    this.rotation = rotation;
    this.log = log;
  }

  /** Opens or continues the file. Rejects with the file system's error. */
  async open(): Promise<void> {
    const handle = await open(this.path, "a+", 0o640);
    try {
      const { dev, ino, size, birthtimeMs } = await handle.stat();
      this.identity = `${dev}:${ino}`;
      this.octets = await wholeLines(handle, size);
      if (this.octets < size) await handle.truncate(this.octets);
      this.bornMs = this.octets === 0 ? Date.now() : birthtimeMs;
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.handle = handle;
    this.tidy();
  }

  /** Appends whole lines. When it rejects none of them is in the file, unless what went in could not be cut off, either. */
  async append(lines: Uint8Array): Promise<void> {
    await this.mend();
    await this.followName();
    const old = Date.now() - this.bornMs >= this.rotation.rotateMs;
    if (this.octets > 0 && (old || this.octets >= this.rotation.rotateOctets)) await this.rotate();
    if (this.handle === null) await this.open();
    const handle = this.handle;
    if (handle === null) throw new Error(`${this.path} is not open`);
    try {
      await handle.appendFile(lines);
      this.octets += lines.length;
    } catch (error) {
      // A full disk takes the first part of what it is given; the next attempt brings all of it again.
      this.isTorn = true;
      await this.mend();
      throw error;
    }
  }

  /** Synchronises and closes the file, and waits for the compression under way. */
  async close(): Promise<void> {
    try {
      await this.mend();
    } finally {
      await this.release();
      await this.tidying;
    }
  }

  /** Cuts off what a write that failed left, which a full disk may refuse too: nothing else is written before. */
  private async mend(): Promise<void> {
    if (!this.isTorn) return;
    const size = (await this.handle?.stat())?.size ?? 0;
    // One that somebody truncated meanwhile would be filled up with zeros.
    if (size > this.octets) await this.handle?.truncate(this.octets);
    this.isTorn = false;
  }

  /**
   * Lets go of a file that is no more what its name leads to, for lines that only a deleted file has are lost, and of one that
   * has become shorter, which may end in the midst of a line: to open it again is to look at what it has.
   */
  private async followName(): Promise<void> {
    if (this.handle === null) return;
    const found = await stat(this.path).catch(() => null);
    const isSame = found !== null && this.identity === `${found.dev}:${found.ino}`;
    if (isSame && found.size >= this.octets) return;
    await this.release();
    this.octets = 0;
    const what = isSame
      ? "truncated this file; records that were not copied before are lost. Rotation is rejoin's own: sink.files.rotateMib, rotateMinutes"
      : "moved or deleted this file; a new one begins";
    this.log.warn(`${this.path}: somebody ${what}`);
  }

  private get path(): string {
    return join(this.rotation.directory, `${this.name}.jsonl`);
  }

  private async rotate(): Promise<void> {
    await this.release();
    const time = new Date().toISOString().replaceAll(":", "");
    // Whether or not the file can be renamed, the next append opens what then lies under its name.
    this.octets = 0;
    await rename(this.path, join(this.rotation.directory, `${this.name}.${time}.jsonl`));
  }

  private async release(): Promise<void> {
    const handle = this.handle;
    this.handle = null;
    if (handle === null) return;
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  private tidy(): void {
    this.tidying = this.tidying
      .then(() => this.compressAndDelete())
      .catch((error) => {
        this.log.warn(`${this.rotation.directory}: rotated files are left as they are: ${error.message}`);
      });
  }

  /** The bound comes first: deleting makes the room that compressing takes. */
  private async compressAndDelete(): Promise<void> {
    const times = await this.times([PLAIN, COMPRESSED]);
    const old = times.slice(0, Math.max(0, times.length - this.rotation.keep));
    await this.each(old, "deleted", (time) => this.discard(time, [PLAIN, COMPRESSED, UNFINISHED]));
    await this.each(await this.times([PLAIN]), "compressed", (time) => this.compress(time));
  }

  private async compress(time: string): Promise<void> {
    const unfinished = this.rotated(time, UNFINISHED);
    try {
      // Under another name until it is whole: a `.gz` that is there can be trusted.
      const target = createWriteStream(unfinished, { mode: 0o640 });
      await pipeline(createReadStream(this.rotated(time, PLAIN)), createGzip(), target);
      await rename(unfinished, this.rotated(time, COMPRESSED));
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {});
      throw error;
    }
    await this.discard(time, [PLAIN]);
  }

  private async discard(time: string, endings: readonly string[]): Promise<void> {
    for (const ending of endings) await rm(this.rotated(time, ending), { force: true });
  }

  /** Does it to every one, whatever becomes of the others, and warns once of all that it could not be done to. */
  private async each(times: readonly string[], done: string, work: (time: string) => Promise<void>): Promise<void> {
    const errors: Error[] = [];
    for (const time of times) await work(time).catch((error) => errors.push(error));
    if (errors.length === 0) return;
    const files = counted(errors.length, "rotated file");
    this.log.warn(`${this.rotation.directory}: ${files} of ${this.name} cannot be ${done}: ${errors[0]?.message}`);
  }

  private rotated(time: string, ending: string): string {
    return join(this.rotation.directory, `${this.name}.${time}${ending}`);
  }

  /** The times in the names of this file's rotated forms that end so, the oldest first. */
  private async times(endings: readonly string[]): Promise<string[]> {
    const names = await readdir(this.rotation.directory);
    const times = endings.flatMap((ending) =>
      names
        .filter((name) => name.startsWith(`${this.name}.`) && name.endsWith(ending))
        .map((name) => name.slice(this.name.length + 1, -ending.length)),
    );
    return [...new Set(times)].filter((time) => /^\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z$/.test(time)).sort();
  }
}

/** Octets of a file up to the end of its last whole line. */
async function wholeLines(handle: FileHandle, size: number): Promise<number> {
  const tail = Buffer.alloc(TAIL_OCTETS);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL_OCTETS);
    const { bytesRead } = await handle.read(tail, 0, end - start, start);
    const lineEnd = tail.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (lineEnd >= 0) return start + lineEnd + 1;
    end = start;
  }
  return 0;
}
