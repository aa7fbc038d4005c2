import { mkdir } from "node:fs/promises";
import type { Logger } from "pino";
import type { OutboxRecord, Outcome } from "../outbox/outbox.ts";
import { DirectoryLock } from "../runtime/directory-lock.ts";
import { OperationalError } from "../runtime/errors.ts";
import { persist } from "./persist.ts";
import { RotatedFile } from "./rotated-file.ts";
import type { Sink } from "./sink.ts";

/** How `FileSink` keeps its files. */
export interface FileSinkOptions {
  readonly directory: string;
  /** A file is rotated when it has reached this many octets ... */
  readonly rotateOctets: number;
  /** ... or this age. */
  readonly rotateMs: number;
  /** Rotated files kept of each topic; older ones are deleted. */
  readonly keep: number;
}

/**
 * Writes records as JSON lines, one file for each topic: `TOPIC.jsonl`, rotated to `TOPIC.TIME.jsonl.gz`. A record is
 * acknowledged when the operating system has it; files are synchronised when they are rotated and closed. One process
 * of a machine writes to a directory at a time: two would rotate away and delete each other's files.
 */
export class FileSink implements Sink {
  private readonly options: FileSinkOptions;
  private readonly log: Logger;
  /** One for each topic: bounded by the list of topics. */
  private readonly files = new Map<string, RotatedFile>();
  private readonly lock: DirectoryLock;

  constructor(options: FileSinkOptions, log: Logger) {
    this.options = options;
    this.log = log;
    this.lock = new DirectoryLock(options.directory);
  }

  async open(): Promise<void> {
    const { directory } = this.options;
    // One level only: with `recursive` Node goes round in circles where a file system takes no directories, as /proc.
    await mkdir(directory).catch((error) => {
      if (error.code === "EEXIST") return;
      throw new OperationalError("SINK_DIRECTORY", `${directory}: cannot be made: ${reason(error)}`, { cause: error });
    });
    // The one sure way to learn whether the directory can be written is to write there.
    const probe = new RotatedFile("rejoin.sessions.v1", this.options, this.log);
    let holder: number | null = null;
    try {
      holder = await this.lock.take();
      if (holder === null) await probe.open();
    } catch (error) {
      await this.lock.release();
      throw new OperationalError(
        "SINK_DIRECTORY",
        `${directory}: cannot be written: ${reason(error)}; give the collector a directory of its own with --dir`,
        { cause: error },
      );
    }
    if (holder !== null) {
      throw new OperationalError(
        "SINK_DIRECTORY",
        `${directory}: another collector, process ${holder}, writes there; give each a directory of its own with --dir`,
      );
    }
    this.files.set("rejoin.sessions.v1", probe);
  }

  async send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]> {
    const acknowledged = new Set<OutboxRecord>();
    const topics = new Set(records.map((record) => record.topic));
    await persist(
      `files in ${this.options.directory}`,
      async () => {
        const failures: unknown[] = [];
        for (const topic of topics) {
          const rest = records.filter((record) => record.topic === topic && !acknowledged.has(record));
          await this.write(topic, rest, acknowledged).catch((error) => failures.push(error));
        }
        if (failures.length > 0) throw failures[0];
      },
      signal,
      this.log,
    );
    return records.map((record) => (acknowledged.has(record) ? "acknowledged" : "unsent"));
  }

  async close(): Promise<void> {
    for (const file of this.files.values()) {
      await file.close().catch((error) => this.log.error(`closing a file: ${reason(error)}`));
    }
    await this.lock.release();
  }

  /** Writes records of one topic in their order, as far as there is room, and notes those that are in the file. */
  private async write(topic: string, records: readonly OutboxRecord[], acknowledged: Set<OutboxRecord>): Promise<void> {
    if (records.length === 0) return;
    const file = await this.file(topic);
    const write = async (part: readonly OutboxRecord[]): Promise<void> => {
      await file.append(Buffer.concat(part.flatMap(({ value }) => [value, LINE_END])));
      for (const record of part) acknowledged.add(record);
    };
    try {
      await write(records);
    } catch {
      // Not all of them fit; the first that does not says why.
      for (const record of records) await write([record]);
    }
  }

  private async file(topic: string): Promise<RotatedFile> {
    let file = this.files.get(topic);
    if (file === undefined) {
      file = new RotatedFile(topic, this.options, this.log);
      await file.open();
      this.files.set(topic, file);
    }
    return file;
  }
}

const LINE_END = Buffer.from("\n");

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
