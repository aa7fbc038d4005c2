import { isIP } from "node:net";
import { UDP_ENCAPSULATIONS, type UdpEncapsulation } from "../../schema/encapsulation.ts";
import { ASSIGNED_PORTS } from "../../src/decapsulate/delivery.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { UdpListen } from "./source/udp-source.ts";

/**
 * Reads `4754`, `127.0.0.1:4754` or `[::1]:4754`, with the encapsulation before it where the port does not say it, as in
 * `vxlan=8472`. Throws an `OperationalError` for other text.
 */
export function parseUdpListen(text: string): UdpListen {
  const [, name, bracketed, plain, digits] =
    /^(?:([a-z-]+)=)?(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? null;
  const port = Number(digits);
  if (digits === undefined || port > 65_535 || (host !== null && isIP(host) === 0)) {
    throw new OperationalError(
      "LISTEN",
      `--listen-udp ${text}: write a port, or address and port: 4754, 192.0.2.9:4754, [2001:db8::9]:4754 or vxlan=8472`,
    );
  }
  const encapsulation = name === undefined ? encapsulationAt(port) : UDP_ENCAPSULATIONS.find((one) => one === name);
  if (encapsulation === undefined) {
    throw new OperationalError("LISTEN", `--listen-udp ${text}: ${name} is none of ${UDP_ENCAPSULATIONS.join(", ")}`);
  }
  return { host, port, encapsulation };
}

/** What an assigned port is assigned to; GRE-in-UDP at any other. */
const encapsulationAt = (port: number): UdpEncapsulation =>
  UDP_ENCAPSULATIONS.find((one) => ASSIGNED_PORTS[one] === port) ?? "gre-in-udp";

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
