import { setTimeout } from "node:timers/promises";
import type { Network } from "./network.ts";

const PATIENCE_MS = 20_000;
const LOOK_MS = 50;
/** Longer than what is left of a connection waits for an answer. */
const QUIET_MS = 500;
/** Nothing of such a connection is on its way. */
const AT_REST = ["LISTEN", "TIME-WAIT"];

/**
 * Waits until no host of the lab has a connection under way: after applications have closed their sockets the kernels still
 * exchange the last FINs and ACKs. Throws when that takes too long.
 */
export async function connectionsClosed(network: Network): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; ; await setTimeout(LOOK_MS)) {
    const open = ["client", "server"].flatMap((node) =>
      network
        .exec(node, "ss", "-Htan")
        .split("\n")
        .filter((line) => line !== "" && !AT_REST.some((state) => line.startsWith(state))),
    );
    if (open.length === 0) return;
    if (Date.now() > end) throw new Error(`connections stay open:\n${open.join("\n")}`);
  }
}

/** Packets that an interface of a node has received. */
export function packetsReceived(network: Network, node: string, device: string): number {
  return Number(network.exec(node, "cat", `/sys/class/net/${device}/statistics/rx_packets`));
}

/** Waits until an interface of each of these nodes has received nothing for a while. Throws when that takes too long. */
export async function wiresQuiet(network: Network, nodes: readonly string[], device: string): Promise<void> {
  const received = (): string => nodes.map((node) => packetsReceived(network, node, device)).join();
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const before = received();
    await setTimeout(QUIET_MS);
    if (received() === before) return;
    if (Date.now() > end) throw new Error(`${device} of ${nodes.join(", ")} does not fall silent`);
  }
}
