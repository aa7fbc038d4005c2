import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { parseAddress } from "../../../src/wire/address.ts";

/** A table of /proc/net, and how it numbers what a socket is bound to: a port, or for raw sockets the protocol. */
export type SocketTable = "udp" | "udp6" | "raw" | "raw6";

/** Numbers of the sockets that this process holds, or of the one that is `fd`. Empty where /proc is not there. */
function ownInodes(fd: number | null): Set<string> {
  const inodes = new Set<string>();
  try {
    for (const name of fd === null ? readdirSync("/proc/self/fd") : [`${fd}`]) {
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
 * Packets that the kernel dropped, receive buffer full, at this process's socket of one table that is bound to `address`
 * and `number`: the last column of /proc/net. Null where the kernel does not say. Without `fd`, the number of its file
 * descriptor, sockets at one link-local address of several interfaces are counted together: the table names no interface.
 */
export function kernelDrops(
  table: SocketTable,
  address: string,
  number: number,
  fd: number | null = null,
): number | null {
  return dropsIn(textOf(table), ownInodes(fd), address, number);
}

/**
 * Octets that wait in the receive queue of the same socket, as the kernel counts them: more than the packets have, 0 only
 * when nothing waits. Null where the kernel does not say.
 */
export function kernelQueue(
  table: SocketTable,
  address: string,
  number: number,
  fd: number | null = null,
): number | null {
  return queuedIn(textOf(table), ownInodes(fd), address, number);
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

/** The last column of the line of a /proc/net table that is of `inodes` and bound to an address, and port or protocol. */
export function dropsIn(text: string, inodes: ReadonlySet<string>, address: string, number: number): number | null {
  return sumOf(text, inodes, localOf(address, number), (columns) => Number(columns[DROPS]));
}

/** The same for what waits in the receive queue, octets. */
export function queuedIn(text: string, inodes: ReadonlySet<string>, address: string, number: number): number | null {
  const local = localOf(address, number);
  return sumOf(text, inodes, local, (columns) => Number.parseInt(columns[QUEUES]?.split(":")[1] ?? "", 16));
}

/** What /proc/net has in column `local_address`: words as numbers in the machine's own octet order, without a zone. */
function localOf(address: string, number: number): string {
  const { family, words } = parseAddress(address.replace(/%.*/, "")) ?? { family: 4, words: [0] };
  const view = new DataView(new ArrayBuffer(family === 4 ? 4 : 16));
  for (let at = 0; at < view.byteLength; at += 4) view.setUint32(at, words[at / 4] ?? 0);
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, "0");
  const own = [...new Uint32Array(view.buffer)].map((word) => hex(word, 8)).join("");
  return `${own}:${hex(number, 4)}`;
}

/** Of several, one address being that of several interfaces, the sum. Null where no line belongs to them. */
function sumOf(
  text: string,
  inodes: ReadonlySet<string>,
  local: string,
  read: (columns: readonly string[]) => number,
): number | null {
  let sum: number | null = null;
  for (const line of text.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const inode = columns[9];
    if (columns[1] !== local || inode === undefined || columns.length <= DROPS) continue;
    if (inodes.has(inode)) sum = (sum ?? 0) + read(columns);
  }
  return sum;
}
