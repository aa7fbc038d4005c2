import { setTimeout } from "node:timers/promises";
import type { Network } from "./network.ts";

const PATIENCE_MS = 20_000;
const LOOK_MS = 50;
/** Longer than what is left of a connection waits for an answer. */
const QUIET_MS = 500;
const HOSTS = ["client", "server"];
/** Nothing of such a connection is on its way. */
const AT_REST = ["LISTEN", "TIME-WAIT"];

/** All that the hosts' kernels know of connections which are not over. */
export function connectionStates(network: Network): string {
  const states = (node: string) => network.exec(node, "ss", "-HtMiemnO").replaceAll(/ {2,}/g, " ");
  return HOSTS.map((node) => `${node}:\n${states(node)}`).join("");
}

/**
 * Ends all connections of the hosts at once. One that stands still does not end with its programs: for a minute the kernels
 * go on to send, and whoever captures next would see that.
 */
export function abortConnections(network: Network): void {
  for (const node of HOSTS) network.exec(node, "ss", "-HKtn");
}

/**
 * Waits until no host of the lab has a connection under way: after applications have closed their sockets the kernels still
 * exchange the last FINs and ACKs. Throws when that takes too long; then they are aborted, so that who comes next has none.
 */
export async function connectionsClosed(network: Network): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; ; await setTimeout(LOOK_MS)) {
    const open = HOSTS.flatMap((node) =>
      network
        .exec(node, "ss", "-Htan")
        .split("\n")
        .filter((line) => line !== "" && !AT_REST.some((state) => line.startsWith(state))),
    );
    if (open.length === 0) return;
    if (Date.now() < end) continue;
    const states = connectionStates(network);
    abortConnections(network);
    throw new Error(`connections stay open:\n${states}`);
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
