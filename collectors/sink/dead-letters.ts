import type { Logger } from "pino";
import type { AtRest } from "../outbox/at-rest.ts";
import type { OutboxRecord } from "../outbox/outbox.ts";
import { RotatedFile } from "./rotated-file.ts";

const ROTATION = { rotateOctets: 16 * 1024 * 1024, rotateMs: 365 * 86_400_000, keep: 8 };

/**
 * Records that a sink has refused for good, as JSON lines with the value in base64, in `dead-letters.jsonl` of a
 * directory; with a key the value is encrypted, and bound to its topic. What is beside it stays in clear. Bound: 9 files of
 * 16 MiB, all but the newest compressed; the oldest is deleted.
 */
export class DeadLetters {
  private readonly file: RotatedFile;
  private readonly atRest: AtRest | null;
  private readonly log: Logger;
  private writing: Promise<void> = Promise.resolve();

  constructor(directory: string, atRest: AtRest | null, log: Logger) {
    this.file = new RotatedFile("dead-letters", { directory, ...ROTATION }, log);
    this.atRest = atRest;
    this.log = log;
  }

  /** Writes one behind what is being written. What cannot be written is logged. */
  add({ topic, key, value, headers }: OutboxRecord): void {
    const octets = this.atRest === null ? value : this.atRest.encrypt(value, Buffer.from(topic));
    const name = this.atRest === null ? "value" : "encrypted";
    const line = { topic, key, headers, [name]: Buffer.from(octets).toString("base64") };
    this.writing = this.writing
      .then(() => this.file.append(Buffer.from(`${JSON.stringify(line)}\n`)))
      .catch((error) => this.log.error(`a dead letter cannot be kept: ${error.message}`));
  }

  /** Waits for what is being written, and closes the file. */
  async close(): Promise<void> {
    await this.writing;
    await this.file.close().catch(() => {});
  }
}
