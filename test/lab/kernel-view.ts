import type { Network } from "./network.ts";

/** An MPTCP connection as `ss -M` shows it on one host. */
export interface KernelSession {
  readonly local: string;
  readonly remote: string;
  /** The host's own token, `0x` and eight digits. */
  readonly token: string;
  /** The data sequence number that it will send next. */
  readonly writeSeq: bigint;
  /** The data sequence number that it expects next. */
  readonly rcvNxt: bigint;
}

/** A TCP subflow as `ss -t` shows it on one host, `address port` each. */
export interface KernelSubflow {
  readonly local: string;
  readonly remote: string;
  readonly token: string;
  /** Payload octets, retransmissions included; `ss` leaves out what is 0. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** What a host's kernel says of its established MPTCP connections, and its MPTCP counters since the host was made. */
export interface KernelView {
  readonly sessions: readonly KernelSession[];
  readonly subflows: readonly KernelSubflow[];
  /** Names without `MPTcpExt`. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Connections that a host accepted with data in their SYN (TCP Fast Open) since it was made. */
export function fastOpened(network: Network, node: string): number {
  return Number(/\d+/.exec(network.exec(node, "nstat", "-asz", "TcpExtTCPFastOpenPassive"))?.[0]);
}

/** Has a host forget what it knows of others, cookies of TCP Fast Open too. */
export function forgetHosts(network: Network, node: string): void {
  network.ip(node, "tcp_metrics", "flush");
}

/** Asks a host's kernel about the connections that use a port. Throws when `ss` prints what is not understood. */
export function kernelView(network: Network, node: string, port: number): KernelView {
  const established = ["state", "established", `( sport = :${port} or dport = :${port} )`];
  const rows = (...options: string[]) =>
    network
      .exec(node, "ss", "-HneiO", ...options, ...established)
      .split("\n")
      .filter(Boolean);
  return {
    sessions: rows("-M").map((row) => ({
      ...ends(row),
      token: token(field(row, /\btoken:([0-9a-f]+)/)),
      writeSeq: BigInt(`0x${field(row, /\bwrite_seq:([0-9a-f]+)/)}`),
      rcvNxt: BigInt(`0x${field(row, /\brcv_nxt:([0-9a-f]+)/)}`),
    })),
    subflows: rows("-t").map((row) => ({
      ...ends(row),
      token: token(field(row, /\btoken:[0-9a-f]+\(id:\d+\)\/([0-9a-f]+)/)),
      bytesSent: Number(/\bbytes_sent:(\d+)/.exec(row)?.[1] ?? 0),
      bytesReceived: Number(/\bbytes_received:(\d+)/.exec(row)?.[1] ?? 0),
    })),
    counters: counters(network.exec(node, "nstat", "-asz", "MPTcpExt*")),
  };
}

/** `10.10.2.2%access2:43035` and `[2001:db8::1]:80` become `10.10.2.2 43035` and `2001:db8::1 80`. */
function ends(row: string): { local: string; remote: string } {
  const [, , local = "", remote = ""] = row.split(/\s+/);
  const plain = (end: string) => end.replace(/[[\]]|%\w+/g, "").replace(/:(\d+)$/, " $1");
  return { local: plain(local), remote: plain(remote) };
}

/** `ss` leaves out leading zeros. */
function token(digits: string): string {
  return `0x${digits.padStart(8, "0")}`;
}

function field(row: string, pattern: RegExp): string {
  const value = pattern.exec(row)?.[1];
  if (value === undefined) throw new Error(`ss shows no ${pattern.source}: ${row}`);
  return value;
}

function counters(text: string): Record<string, number> {
  const rows = [...text.matchAll(/^MPTcpExt(\S+)\s+(\d+)/gm)];
  return Object.fromEntries(rows.map(([, name, value]) => [name, Number(value)]));
}
