import { isIP } from "node:net";
import { UDP_ENCAPSULATIONS, type UdpEncapsulation } from "../encapsulation.ts";

/** Where a UDP socket is bound, and for what. */
export interface ListenAddress {
  /** An address of this machine; null: every address, IPv6 and IPv4. */
  readonly host: string | null;
  readonly port: number;
  /** What its datagrams are; null: what the port is assigned to. */
  readonly encapsulation: UdpEncapsulation | null;
}

/** What `readListenAddress` takes, for people. */
export const LISTEN_FORM = `write a port, or address and port: 4754, 192.0.2.9:4754 or [2001:db8::9]:4754; before it, where the port does not say so, one of ${UDP_ENCAPSULATIONS.join(", ")}: vxlan=8472`;

/**
 * Reads `4754`, `127.0.0.1:4754` or `[::1]:4754`, with the encapsulation before it where the port does not say it, as in
 * `vxlan=8472`; null for other text.
 */
export function readListenAddress(text: string): ListenAddress | null {
  const [, name, bracketed, plain, digits] =
    /^(?:([a-z-]+)=)?(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? null;
  const port = Number(digits);
  if (digits === undefined || port > 65_535 || (host !== null && isIP(host) === 0)) return null;
  const encapsulation = name === undefined ? null : UDP_ENCAPSULATIONS.find((one) => one === name);
  return encapsulation === undefined ? null : { host, port, encapsulation };
}

/** What two sockets have in common: a place, some addresses of one port, or nothing. */
export type Overlap = "same" | "some" | null;

/**
 * How two places to listen stand to each other, whatever comes there. `::` is every address of IPv4, too, as by default on
 * Linux; of port 0 the system gives another each time.
 */
export function overlapOf(a: ListenAddress, b: ListenAddress): Overlap {
  if (a.port !== b.port || a.port === 0) return null;
  const [one, other] = [addressOf(a.host), addressOf(b.host)];
  if (one === other) return "same";
  const isIn = (host: string, range: string) => range === "::" || (range === "0.0.0.0" && isIP(host) === 4);
  return isIn(one, other) || isIn(other, one) ? "some" : null;
}

/** An address as others are compared with it: written in one way, and mapped IPv4 (RFC 4291 section 2.5.5.2) as IPv4. */
function addressOf(host: string | null): string {
  if (host === null || isIP(host) === 4) return host ?? "::";
  const [address, zone] = host.split("%");
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(written) ?? [];
  if (high === undefined || low === undefined) return zone === undefined ? written : `${written}%${zone}`;
  return [high, low].flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]).join(".");
}

/** Whether only this machine can send there. */
export function isLoopback(host: string | null): boolean {
  return host !== null && (host === "::1" || /^127(\.\d{1,3}){3}$/.test(host));
}
