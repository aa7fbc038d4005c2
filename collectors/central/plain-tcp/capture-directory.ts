import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { PCAP_FILE_HEADER, PCAP_RECORD_HEADER } from "../../../src/capture-file/pcap-decoder.ts";
import { DirectoryLock } from "../../runtime/directory-lock.ts";
import { OperationalError } from "../../runtime/errors.ts";

/** Below the directory: captures that are not finished. Who waits for files in a directory does not look into those below it. */
const UNFINISHED = "unfinished";
const NAME = /^rejoin-\d{8}T\d{9}Z-\d{6}\.pcap$/;
/** What hosts sent is not for everybody on the machine. */
const MODE = 0o640;
/** Of a capture that an earlier process did not finish, read at once. */
const BLOCK_OCTETS = 262_144;
/** Of a record's header: where the octets of its packet that it has are counted. */
const CAPTURED = 8;
/** At the bound so much of it is made free at once: all captures are looked at for that, and small ones are many. */
const SHARE_MADE_FREE = 1 / 16;

/**
 * A directory into which finished captures are put, one by one and under their names at once, for another program that takes
 * and deletes them. Their names are in the order of their making. What an earlier process did not finish is cut behind its last
 * whole packet and put there at the start. One process of a machine writes to a directory.
 */
export class CaptureDirectory {
  private readonly directory: string;
  private readonly lock: DirectoryLock;
  private made = 0;
  /** Octets of captures that are there, at most: somebody may have taken some since they were looked at. */
  private mostOctets = Number.POSITIVE_INFINITY;
  /** The time in the newest name: names are in their order, too, after a clock was set back. */
  private newestMs = 0;

  constructor(directory: string) {
    this.directory = directory;
    this.lock = new DirectoryLock(join(directory, UNFINISHED));
  }

  /** Makes what is missing of it. Rejects with an OperationalError where it cannot be written to, or somebody else does. */
  async open(): Promise<void> {
    let holder: number | null = null;
    try {
      await made(this.directory);
      await made(join(this.directory, UNFINISHED));
      holder = await this.lock.take();
      if (holder === null) await this.finishOthers();
    } catch (error) {
      await this.lock.release();
      throw directoryError(this.directory, `no captures can be written there (${reason(error)})`, error);
    }
    if (holder !== null) throw directoryError(this.directory, `another collector, process ${holder}, writes there`);
  }

  /** Begins a capture: its name, and the empty file. Rejects with the file system's error. */
  async begin(): Promise<{ name: string; file: FileHandle }> {
    // Whoever empties the directory may have deleted that one, too.
    await made(join(this.directory, UNFINISHED));
    this.newestMs = Math.max(this.newestMs, Date.now());
    const time = new Date(this.newestMs).toISOString().replace(/[-:.]/g, "");
    const name = `rejoin-${time}-${String(this.made++ % 1_000_000).padStart(6, "0")}.pcap`;
    return { name, file: await open(join(this.directory, UNFINISHED, name), "w", MODE) };
  }

  /** Puts a capture of so many octets, which is closed, where others find it. Rejects with the file system's error. */
  async finish(name: string, octets: number): Promise<void> {
    await rename(join(this.directory, UNFINISHED, name), join(this.directory, name));
    this.mostOctets += octets;
  }

  /** Deletes a capture that was begun, and is closed. */
  async discard(name: string): Promise<void> {
    await rm(join(this.directory, UNFINISHED, name), { force: true });
  }

  /**
   * Deletes the oldest captures that nobody has taken where all have more than `keepOctets`, and a little more of them than that
   * takes; how many it were. Rejects with the file system's error.
   */
  async prune(keepOctets: number): Promise<number> {
    if (this.mostOctets <= keepOctets) return 0;
    const captures: { path: string; size: number }[] = [];
    for (const name of await this.names("")) {
      const path = join(this.directory, name);
      // Somebody may take it right now.
      captures.push({ path, size: (await stat(path).catch(() => null))?.size ?? 0 });
    }
    let octets = captures.reduce((sum, { size }) => sum + size, 0);
    let deleted = 0;
    for (const { path, size } of octets > keepOctets ? captures : []) {
      if (octets <= keepOctets * (1 - SHARE_MADE_FREE)) break;
      await rm(path, { force: true });
      octets -= size;
      deleted++;
    }
    this.mostOctets = octets;
    return deleted;
  }

  async close(): Promise<void> {
    await this.lock.release();
  }

  /** Finishes what an earlier process, which was killed, had begun. */
  private async finishOthers(): Promise<void> {
    for (const name of await this.names(UNFINISHED)) {
      const octets = await wholeOctets(join(this.directory, UNFINISHED, name));
      if (octets > PCAP_FILE_HEADER) await this.finish(name, octets);
      else await this.discard(name);
    }
  }

  /** Of captures, the oldest first. */
  private async names(below: string): Promise<string[]> {
    const entries = await readdir(join(this.directory, below), { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isFile() && NAME.test(entry.name) ? [entry.name] : [])).sort();
  }
}

/** One level only: with `recursive` Node goes round in circles where a file system takes no directories, as /proc. */
async function made(directory: string): Promise<void> {
  await mkdir(directory).catch((error) => {
    if (error.code !== "EEXIST") throw error;
  });
}

/** Cuts a capture behind its last whole packet; where that ends. */
async function wholeOctets(path: string): Promise<number> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    const end = await endOfPackets(file, size);
    if (end < size) await file.truncate(end);
    return end;
  } finally {
    await file.close();
  }
}

/** Where the last whole packet of a capture of so many octets ends. */
async function endOfPackets(file: FileHandle, size: number): Promise<number> {
  const block = new DataView(new ArrayBuffer(BLOCK_OCTETS));
  let end = PCAP_FILE_HEADER;
  for (;;) {
    const { bytesRead } = await file.read(block, 0, BLOCK_OCTETS, end);
    const begin = end;
    for (let at = 0; at + PCAP_RECORD_HEADER <= bytesRead; at = end - begin) {
      const next = end + PCAP_RECORD_HEADER + block.getUint32(at + CAPTURED, true);
      if (next > size) return end;
      end = next;
    }
    if (end === begin) return end;
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function directoryError(directory: string, what: string, cause?: unknown): OperationalError {
  const message = `${directory}: ${what}; give each collector a directory of its own, plainTcp.directory (--plain-tcp)`;
  return new OperationalError("PLAIN_TCP_DIRECTORY", message, { cause });
}
