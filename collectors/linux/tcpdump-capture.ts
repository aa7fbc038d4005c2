import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { MIN_WINDOW_OCTETS } from "../../src/capture-file/capture-decoder.ts";
import { PcapDecoder } from "../../src/capture-file/pcap-decoder.ts";
import { PacketVector } from "../../src/vector.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Capture, CapturePoint, Direction, TakeVector } from "./capture.ts";

/** Octets of a pipe's stream held at a time: four times the longest packet. */
const WINDOW_OCTETS = 4 * MIN_WINDOW_OCTETS;
/** Kernel buffer that each tcpdump asks for, KiB: as large as a packet ring. */
const BUFFER_KIB = 16_384;
/** tcpdump takes packets from the kernel in blocks that are handed over after a second at the latest. */
const BLOCK_MS = 1100;
/** What is kept of what a tcpdump says; the last lines tell why it ended. */
const MAX_SAID = 4096;

/** What to capture through tcpdump's pipe. */
export interface TcpdumpCaptureOptions {
  readonly points: readonly CapturePoint[];
  readonly direction: Direction;
  readonly promiscuous: boolean;
  /**
   * Whom each tcpdump becomes once it captures; null leaves that to tcpdump. It must be who this process becomes: another's
   * process can be sent no signal.
   */
  readonly user: string | null;
}

/** Captures on interfaces through one `tcpdump -w -` each, where no packet ring is to be had. */
export class TcpdumpCapture implements Capture {
  readonly kind = "tcpdump";
  private readonly pipes: readonly Pipe[];

  private constructor(pipes: readonly Pipe[]) {
    this.pipes = pipes;
  }

  /** Starts a tcpdump on each interface. Rejects with an OperationalError that repeats what a tcpdump said. */
  static async open(options: TcpdumpCaptureOptions): Promise<TcpdumpCapture> {
    const pipes = options.points.map((point) => new Pipe(point, options));
    try {
      await Promise.all(pipes.map((pipe) => pipe.listening()));
    } catch (error) {
      for (const pipe of pipes) pipe.stop();
      throw error;
    }
    return new TcpdumpCapture(pipes);
  }

  async run(take: TakeVector): Promise<void> {
    try {
      await Promise.all(this.pipes.map((pipe) => pipe.run(take)));
    } finally {
      this.stop();
    }
  }

  stop(): void {
    for (const pipe of this.pipes) pipe.stop();
  }

  renewFilter(): null {
    // There is none.
    return null;
  }

  lost(): number {
    return this.pipes.reduce((sum, pipe) => sum + pipe.lost(), 0);
  }
}

/** One tcpdump and the pcap stream it writes. */
class Pipe {
  private readonly point: CapturePoint;
  private readonly child: ChildProcessByStdio<null, Readable, Readable>;
  private readonly ended: Promise<void>;
  private said = "";
  private dropped = 0;
  private stopping = false;

  constructor(point: CapturePoint, options: TcpdumpCaptureOptions) {
    this.point = point;
    // No --immediate-mode: its ring has slots of the snap length, few of them, and loses packets in every burst.
    const words = ["-i", point.name, "-n", "-U", "-s", "0", "-B", String(BUFFER_KIB), "-w", "-"];
    if (options.direction === "in") words.push("-Q", "in");
    if (!options.promiscuous) words.push("-p");
    if (options.user !== null) words.push("-Z", options.user);

    // A process group of its own, or a Ctrl-C at the terminal would end tcpdump before what it holds was asked for.
    this.child = spawn("tcpdump", words, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.ended = new Promise((resolve) => {
      this.child.on("error", (error) => {
        this.said += `${error.message}\n`;
        // Another is that of a signal that could not be sent.
        if (this.child.pid === undefined) resolve();
      });
      this.child.on("close", () => resolve());
    });
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => this.hear(text));
  }

  /** Resolves when tcpdump captures. */
  async listening(): Promise<void> {
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    while (!/listening on/.test(this.said)) {
      if (over) throw this.failure();
      await Promise.race([once(this.child.stderr, "data"), this.ended]);
    }
  }

  async run(take: TakeVector): Promise<void> {
    const vector = new PacketVector();
    const decoder = new PcapDecoder();
    decoder.source = this.point.source;
    const window = new Uint8Array(WINDOW_OCTETS);
    let end = 0;
    this.child.stdout.on("data", (chunk: Uint8Array) => {
      for (let from = 0; from < chunk.length; ) {
        const part = chunk.subarray(from, from + WINDOW_OCTETS - end);
        window.set(part, end);
        from += part.length;
        end += part.length;
        vector.use(window);
        let at = 0;
        for (let next = decoder.decode(vector, at, end); next > at; next = decoder.decode(vector, at, end)) {
          if (vector.length > 0) take(vector);
          vector.clear();
          at = next;
        }
        window.copyWithin(0, at, end);
        end -= at;
        if (decoder.fault !== null) {
          this.said += `${decoder.fault.detail}\n`;
          this.child.kill();
          return;
        }
      }
    });
    await this.ended;
    if (!this.stopping || decoder.fault !== null) throw this.failure();
  }

  stop(): void {
    if (this.stopping) return;
    this.stopping = true;
    // At SIGTERM tcpdump leaves what lies in the kernel's blocks; all that has arrived by now is still to be seen.
    const timer = setTimeout(() => this.child.kill("SIGTERM"), BLOCK_MS);
    void this.ended.then(() => clearTimeout(timer));
  }

  /** As tcpdump said last; it is asked for the next time on the way. */
  lost(): number {
    if (this.child.exitCode === null && !this.stopping) this.child.kill("SIGUSR1");
    return this.dropped;
  }

  private hear(text: string): void {
    this.said = (this.said + text).slice(-MAX_SAID);
    for (const [, count] of this.said.matchAll(/(\d+) packets? dropped by (?:kernel|interface)/g)) {
      this.dropped = Math.max(this.dropped, Number(count));
    }
  }

  private failure(): OperationalError {
    const last = this.said.trim().split("\n").at(-1) || "it said nothing";
    const advice = /ENOENT/.test(last)
      ? "; it is not installed"
      : /permi/i.test(last)
        ? "; capturing needs root or the capability CAP_NET_RAW"
        : "";
    return new OperationalError("capture", `cannot capture on ${this.point.name} with tcpdump: ${last}${advice}`);
  }
}
