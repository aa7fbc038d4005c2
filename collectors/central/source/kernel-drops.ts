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
  let text: string;
  try {
    text = readFileSync(`/proc/self/net/${table}`, "utf8");
  } catch {
    return null;
  }
  return dropsIn(text, ownInodes(), number);
}

/** The sum of the last column over the lines of a /proc/net table that belong to `inodes` and to port or protocol `number`. */
export function dropsIn(text: string, inodes: ReadonlySet<string>, number: number): number | null {
  const suffix = `:${number.toString(16).toUpperCase().padStart(4, "0")}`;
  let drops: number | null = null;
  for (const line of text.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    // sl local_address rem_address st queues timer retrnsmt uid timeout inode ref pointer drops
    const [local, inode, last] = [columns[1], columns[9], columns[12]];
    if (local === undefined || inode === undefined || last === undefined) continue;
    if (local.endsWith(suffix) && inodes.has(inode)) drops = (drops ?? 0) + Number(last);
  }
  return drops;
}
