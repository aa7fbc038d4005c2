import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Network } from "../../lab/network.ts";
import { PacketCount } from "../../lab/packet-count.ts";
import { pcapFile } from "../../support/pcap.ts";
import type { StatedPacket } from "../../support/pcapng.ts";

const INJECT = fileURLToPath(new URL("../inject.py", import.meta.url));
/** tap -(in0)- edge -(out0)- core: frames come in at `in0`, copies leave through `out0`. */
export class EdgeNode {
  readonly network = new Network("tap", "edge", "core");
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    this.linkInside();
    this.network.link(
      { node: "core", name: "core0", addresses: ["10.9.0.2/24", "fd09::2/64"] },
      { node: "edge", name: "out0", addresses: ["10.9.0.1/24", "fd09::1/64"] },
    );
  }

  /** Makes the link that frames come in by, again where it was deleted; it has no chatter of the kernels' on it. */
  linkInside(): void {
    const { network } = this;
    network.link({ node: "tap", name: "tap0", addresses: [] }, { node: "edge", name: "in0", addresses: [] });
    network.sysctl("tap", "net.ipv6.conf.tap0.disable_ipv6=1");
    network.sysctl("edge", "net.ipv6.conf.in0.disable_ipv6=1");
  }

  /** Lets frames arrive at `in0`, or leave through it. */
  inject(packets: readonly StatedPacket[], way: "in" | "out" = "in"): void {
    const file = join(this.folder, "inject.pcap");
    writeFileSync(file, pcapFile(packets));
    const [node, device] = way === "in" ? ["tap", "tap0"] : ["edge", "in0"];
    this.network.exec(node, "python3", INJECT, file, device);
  }

  /** tcpdump where copies arrive. */
  async recording(): Promise<PacketCount> {
    const filter = "udp and dst host (10.9.0.2 or fd09::2)";
    const count = new PacketCount(this.network, "core", "core0", filter, join(this.folder, "core0.pcap"));
    await count.started();
    return count;
  }

  /** Processes in `edge`, by what their command lines have in them. */
  processes(text: string): number[] {
    const pids = this.network.exec("edge", "ip", "netns", "pids", this.network.namespace("edge")).split("\n");
    return pids.filter((pid) => pid !== "" && commandLine(pid).includes(text)).map(Number);
  }

  /** What of rules and devices is installed in `edge`, without numbers and counts: the same each time, once it is complete. */
  installed(): string {
    const filters = this.network.exec("edge", "tc", "filter", "show", "dev", "in0", "ingress");
    const rules = this.network
      .exec("edge", "nft", "--stateless", "list", "ruleset")
      .replace(/ *elements = {[^}]*}/g, "");
    return [this.leftovers(), filters, rules]
      .join("\n")
      .replace(/^\d+: |id \d+|tag \S+|index \d+|qdisc clsact \S+|link\/ether.*/gm, "");
  }

  /** What kernel mirroring has left in `edge`. */
  leftovers(): string {
    const { network } = this;
    const devices = network.ip("edge", "-o", "link").split("\n");
    const disciplines = network.exec("edge", "tc", "qdisc").split("\n");
    return [
      network.exec("edge", "nft", "list", "tables"),
      ...devices.filter((line) => /^\d+: rejoin/.test(line)),
      ...disciplines.filter((line) => line.includes("clsact")),
    ].join("");
  }
}

/** What a process was started with; nothing when it is no more. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
