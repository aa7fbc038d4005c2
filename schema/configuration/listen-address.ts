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

/** Whether only this machine can send there. */
export function isLoopback(host: string | null): boolean {
  return host !== null && (host === "::1" || /^127(\.\d{1,3}){3}$/.test(host));
}
