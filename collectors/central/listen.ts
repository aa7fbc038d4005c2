import { isIP } from "node:net";
import { OperationalError } from "../runtime/errors.ts";
import type { UdpListen } from "./source/gre-in-udp.ts";

/** Reads `4754`, `127.0.0.1:4754` or `[::1]:4754`; throws an `OperationalError` for other text. */
export function parseUdpListen(text: string): UdpListen {
  const [, bracketed, plain, digits] = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? null;
  const port = Number(digits);
  if (digits === undefined || port > 65_535 || (host !== null && isIP(host) === 0)) {
    throw new OperationalError(
      "LISTEN",
      `--listen-udp ${text}: write a port, or address and port: 4754, 192.0.2.9:4754 or [2001:db8::9]:4754`,
    );
  }
  return { host, port };
}

/** Reads the address of `--listen-gre`: `true` (none) means both IP versions. Throws an `OperationalError` for others. */
export function parseGreListen(address: string | true): (4 | 6)[] {
  if (address === true) return [4, 6];
  if (address === "0.0.0.0") return [4];
  if (address === "::" || address === "[::]") return [6];
  throw new OperationalError(
    "LISTEN",
    `--listen-gre ${address}: a raw socket receives at every address of the machine; write 0.0.0.0, :: or no address`,
  );
}

/** Whether only this machine can send there. */
export function isLoopback(host: string | null): boolean {
  return host !== null && (host === "::1" || /^127(\.\d{1,3}){3}$/.test(host));
}
