import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import type { Network, NodeProcess } from "./network.ts";

/** Longer than any packet of the lab; tcpdump divides its buffer into places of this size. */
const SNAP = "2048";
/** What a busy machine may take to write what came. */
const PATIENCE_MS = 20_000;
const LOOK_MS = 50;
const LOOKS_AT_REST = 10;
/** What tcpdump says when it is asked how far it is (SIGUSR1), the newest last. */
const PROGRESS = /(\d+) packets? captured, (\d+) packets? received by filter/g;

/** tcpdump beside the programs under test: an independent count of what passed an interface, kept as a capture file. */
export class PacketCount {
  readonly file: string;
  private readonly child: NodeProcess;
  private readonly ready: Promise<unknown>;
  private said = "";

  /** Captures what passes `device` of a node, both ways, by a tcpdump filter. */
  constructor(network: Network, node: string, device: string, filter: string, file: string) {
    this.file = file;
    this.child = network.spawn(node, "tcpdump", [
      "-i",
      device,
      "-Z",
      "root",
      "-U",
      "--immediate-mode",
      "-s",
      SNAP,
      "-B",
      "16384",
      "-w",
      file,
      filter,
    ]);
    this.ready = once(this.child.stderr, "data");
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.said += text;
    });
  }

  /** Resolves when tcpdump listens. */
  async started(): Promise<void> {
    await this.ready;
  }

  /**
   * Ends the capture once all that came is in it. Throws when the kernel dropped packets, for then the count is worth
   * nothing.
   */
  async finish(): Promise<void> {
    await this.written();
    const closed = once(this.child, "close");
    this.child.kill("SIGINT");
    await closed;
    if (!/^0 packets dropped by kernel/m.test(this.said)) throw new Error(`tcpdump lost packets: ${this.said}`);
  }

  /**
   * What its kernel has for it when it is ended, tcpdump does not read any more. What it received before its filter was in place
   * it never captures.
   */
  private async written(): Promise<void> {
    let last = "";
    for (let same = 0, end = Date.now() + PATIENCE_MS; same < LOOKS_AT_REST; ) {
      const before = this.said.length;
      this.child.kill("SIGUSR1");
      await setTimeout(LOOK_MS);
      const [line = "", captured, received] = [...this.said.slice(before).matchAll(PROGRESS)].at(-1) ?? [];
      if (line !== "" && captured === received) return;
      same = line !== "" && line === last ? same + 1 : 0;
      last = line;
      if (Date.now() > end) throw new Error(`tcpdump does not come to the end: ${this.said}`);
    }
  }

  /** Packets in the finished capture that a display filter of tcpdump lets through; all without one. */
  count(filter = ""): number {
    const output = execFileSync("tcpdump", ["-r", this.file, "-n", "-q", "-t", filter], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return output.split("\n").filter((line) => line !== "" && !/^\s/.test(line)).length;
  }
}
