import type { FileHandle } from "node:fs/promises";
import type { Logger } from "pino";
import { PcapBuffer } from "../../../src/capture-file/pcap-buffer.ts";
import { PCAP_FILE_HEADER } from "../../../src/capture-file/pcap-decoder.ts";
import { PLAIN_TCP_FORMAT } from "../../../src/plain-tcp/plain-tcp.ts";
import { within } from "../../runtime/within.ts";
import { counted } from "../../terminal/text.ts";
import { CaptureDirectory } from "./capture-directory.ts";

/** Where sessions are told again as plain TCP, and when a capture is finished. */
export interface PlainTcpConfig {
  readonly directory: string;
  /** A capture is finished when its first packet has waited so long ... */
  readonly rotateMs: number;
  /** ... or it has so many octets. */
  readonly rotateOctets: number;
  /** Octets of finished captures that nobody has taken; beyond, the oldest are deleted. */
  readonly keepOctets: number;
}

/** What became of packets that were told: all = written + waiting + shed. */
export interface PlainTcpReport {
  readonly packets: number;
  /** In captures that were finished. */
  readonly written: number;
  /** `behind`: the disk takes less than is told; `failed`: it took nothing, or the capture went. */
  readonly shed: { readonly behind: number; readonly failed: number };
  /** Captures that were finished, and those of them that nobody took and that were deleted for the bound. */
  readonly captures: number;
  readonly deleted: number;
}

/** A capture that is being written: so much of it is there. */
interface Capture {
  readonly name: string;
  readonly file: FileHandle;
  octets: number;
  packets: number;
  /** By a clock that nobody sets. */
  readonly bornMs: number;
}

const BUFFER_OCTETS = 262_144;
/** Buffers, or other tasks, that wait for the disk: 16 MiB. At the bound what is told is shed. */
const MAX_WAITING = 64;
const TICK_MS = 1000;

/**
 * Puts sessions told again as plain TCP (src/plain-tcp) into captures, one after the other, for a detector that waits for
 * files. The packet path waits for no disk: what that does not take in time is shed and counted. A capture that a full disk cut
 * short is finished as far as it goes; the next packets begin another.
 */
export class PlainTcpCaptures {
  private readonly config: PlainTcpConfig;
  private readonly log: Pick<Logger, "warn">;
  private readonly directory: CaptureDirectory;
  private filling = new PcapBuffer(PLAIN_TCP_FORMAT, BUFFER_OCTETS);
  private readonly spare: PcapBuffer[] = [];
  /** What is to be done, one after the other, and how much that is; nothing is before `begin`. */
  private work: Promise<void>;
  private waiting = 0;
  private begin: () => void = () => {};
  private timer: NodeJS.Timeout | null = null;
  private capture: Capture | null = null;
  private readonly counts = { packets: 0, written: 0, behind: 0, failed: 0, captures: 0, deleted: 0 };

  constructor(config: PlainTcpConfig, log: Pick<Logger, "warn">) {
    this.config = config;
    this.log = log;
    this.directory = new CaptureDirectory(config.directory);
    this.work = new Promise((resolve) => {
      this.begin = resolve;
    });
  }

  /** Rejects with an OperationalError where the directory cannot be had. What was told before waits for it. */
  async open(): Promise<void> {
    await this.directory.open();
    this.begin();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Takes an IP packet, which is copied. Never throws. */
  add(packet: Uint8Array, atMicros: number): void {
    this.counts.packets++;
    if (this.filling.put(packet, atMicros)) return;
    this.pass();
    this.filling.put(packet, atMicros);
  }

  /** Half of what may wait does: whoever can had better wait, too. */
  get isBehind(): boolean {
    return this.waiting >= MAX_WAITING / 2;
  }

  report(): PlainTcpReport {
    const { packets, written, behind, failed, captures, deleted } = this.counts;
    return { packets, written, shed: { behind, failed }, captures, deleted };
  }

  /** Writes what was told and finishes the last capture; what that takes more than `limitMs` for is left, and told. */
  async close(limitMs: number): Promise<void> {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.pass(Infinity);
    this.queue(() => this.finish());
    // While it is still written to nobody else is to have it.
    if (await within(this.work, limitMs)) await this.directory.close();
    else this.log.warn(`${this.config.directory}: takes too long to write; the last capture is not finished`);
  }

  private tick(): void {
    this.pass();
    // Otherwise what is written last sees to it.
    if (this.waiting === 0) this.queue(() => this.finishIfDue());
  }

  /** Has what is filled written, unless so much waits already, and begins anew. */
  private pass(most = MAX_WAITING): void {
    const { filling } = this;
    if (filling.packets === 0) return;
    if (this.waiting >= most) {
      this.counts.behind += filling.packets;
      filling.clear();
      return;
    }
    this.filling = this.spare.pop() ?? new PcapBuffer(PLAIN_TCP_FORMAT, BUFFER_OCTETS);
    this.queue(async () => {
      try {
        await this.store(filling);
      } finally {
        filling.clear();
        this.spare.push(filling);
      }
      await this.finishIfDue();
    });
  }

  /** Does it when all that was to be done before is. `task` may reject with a file system's error. */
  private queue(task: () => Promise<void>): void {
    this.waiting++;
    const tell = (error: unknown): void => {
      const why = error instanceof Error ? error.message : String(error);
      this.log.warn(`${this.config.directory}: sessions as plain TCP: ${why}`);
    };
    this.work = this.work
      .then(task)
      .catch(tell)
      .then(() => {
        this.waiting--;
      });
  }

  private async store(buffer: PcapBuffer): Promise<void> {
    try {
      this.capture ??= await begun(this.directory);
      await append(this.capture, buffer.octets);
      this.capture.packets += buffer.packets;
    } catch (error) {
      this.counts.failed += buffer.packets;
      await this.finish();
      throw error;
    }
  }

  private async finishIfDue(): Promise<void> {
    const { capture, config } = this;
    if (capture === null) return;
    if (capture.octets >= config.rotateOctets || performance.now() - capture.bornMs >= config.rotateMs)
      await this.finish();
  }

  private async finish(): Promise<void> {
    const { capture } = this;
    if (capture === null) return;
    this.capture = null;
    try {
      await put(this.directory, capture);
    } catch (error) {
      this.counts.failed += capture.packets;
      throw error;
    }
    if (capture.packets === 0) return;
    this.counts.written += capture.packets;
    this.counts.captures++;
    const deleted = await this.directory.prune(this.config.keepOctets);
    if (deleted === 0) return;
    this.counts.deleted += deleted;
    this.log.warn(
      `${this.config.directory}: ${counted(deleted, "capture")} that nobody took deleted, for plainTcp.keepMib was reached: ` +
        "does the detector run, and does it delete what it has read?",
    );
  }
}

/** Begins a capture with the header of its file. */
async function begun(directory: CaptureDirectory): Promise<Capture> {
  const { name, file } = await directory.begin();
  const capture = { name, file, octets: 0, packets: 0, bornMs: performance.now() };
  const header = new PcapBuffer(PLAIN_TCP_FORMAT, PCAP_FILE_HEADER);
  header.putHeader();
  try {
    await append(capture, header.octets);
    return capture;
  } catch (error) {
    await file.close();
    await directory.discard(name);
    throw error;
  }
}

/** Puts a capture where others find it; one without a packet is no capture. */
async function put(directory: CaptureDirectory, { name, file, octets, packets }: Capture): Promise<void> {
  try {
    // Behind it may stand what a write that failed had begun with.
    await file.truncate(octets);
  } finally {
    await file.close();
  }
  if (packets === 0) await directory.discard(name);
  else await directory.finish(name, octets);
}

/** Writes all of it, behind what is known to be there. */
async function append(capture: Capture, octets: Uint8Array): Promise<void> {
  for (let done = 0; done < octets.length; ) {
    const { bytesWritten } = await capture.file.write(octets, done, octets.length - done, capture.octets + done);
    done += bytesWritten;
  }
  capture.octets += octets.length;
}
