import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A table of /proc/net, and how it numbers what a socket is bound to: a port, or for raw sockets the protocol. */
export type SocketTable = "udp" | "udp6" | "raw" | "raw6";

/** Numbers of the sockets that this process holds. Empty where /proc is not there. */
function ownInodes(): Set<string> {
  const inodes = new Set<string>();
  try {
    for (const name of readdirSync("/proc/self/fd")) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${name}`))?.[1];
        if (inode !== undefined) inodes.add(inode);
      } catch {
        // Closed since the directory was read.
      }
    }
  } catch {
    // Not Linux.
  }
  return inodes;
}

/**
 * Packets that the kernel dropped, receive buffer full, at this process's sockets of one table that are bound to
 * `number`: the last column of /proc/net. Null where the kernel does not say.
 */
export function kernelDrops(table: SocketTable, number: number): number | null {
  return dropsIn(textOf(table), ownInodes(), number);
}

/**
 * Octets that wait in the receive queues of the same sockets, as the kernel counts them: more than the packets have, 0
 * only when nothing waits. Null where the kernel does not say.
 */
export function kernelQueue(table: SocketTable, number: number): number | null {
  return queuedIn(textOf(table), ownInodes(), number);
}

function textOf(table: SocketTable): string {
  try {
    return readFileSync(`/proc/self/net/${table}`, "utf8");
  } catch {
    return "";
  }
}

// sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ref pointer drops
const QUEUES = 4;
const DROPS = 12;

/** The sum of the last column over the lines of a /proc/net table that belong to `inodes` and to port or protocol `number`. */
export function dropsIn(text: string, inodes: ReadonlySet<string>, number: number): number | null {
  return sumOf(text, inodes, number, (columns) => Number(columns[DROPS]));
}

/** The same for what waits in receive queues, octets. */
export function queuedIn(text: string, inodes: ReadonlySet<string>, number: number): number | null {
  return sumOf(text, inodes, number, (columns) => Number.parseInt(columns[QUEUES]?.split(":")[1] ?? "", 16));
}

/** Null where no line belongs to them. */
function sumOf(
  text: string,
  inodes: ReadonlySet<string>,
  number: number,
  read: (columns: readonly string[]) => number,
): number | null {
  const suffix = `:${number.toString(16).toUpperCase().padStart(4, "0")}`;
  let sum: number | null = null;
  for (const line of text.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const [local, inode] = [columns[1], columns[9]];
    if (local === undefined || inode === undefined || columns.length <= DROPS) continue;
    if (local.endsWith(suffix) && inodes.has(inode)) sum = (sum ?? 0) + read(columns);
  }
  return sum;
}
