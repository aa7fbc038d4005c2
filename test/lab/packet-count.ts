import { execFileSync } from "node:child_process";
import { once } from "node:events";
import type { Network, NodeProcess } from "./network.ts";

/** Longer than any packet of the lab; tcpdump divides its buffer into places of this size. */
const SNAP = "2048";

/** tcpdump beside the programs under test: an independent count of what passed an interface, kept as a capture file. */
export class PacketCount {
  readonly file: string;
  private readonly child: NodeProcess;
  private readonly ready: Promise<unknown>;

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
  }

  /** Resolves when tcpdump listens. */
  async started(): Promise<void> {
    await this.ready;
  }

  /** Ends the capture. Throws when the kernel dropped packets, for then the count is worth nothing. */
  async finish(): Promise<void> {
    let said = "";
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const closed = once(this.child, "close");
    this.child.kill("SIGINT");
    await closed;
    if (!/^0 packets dropped by kernel/m.test(said)) throw new Error(`tcpdump lost packets: ${said}`);
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
