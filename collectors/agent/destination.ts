import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { PORT_GRE_IN_UDP } from "../../src/wire/udp.ts";
import { OperationalError } from "../runtime/errors.ts";

/** How copies travel: GRE over UDP (RFC 8086), or GRE as IP protocol 47. */
export type Encapsulation = "udp" | "gre";

/** A collector as the command line names it; `port` is null for protocol 47, which has none. */
export interface Destination {
  readonly host: string;
  readonly port: number | null;
}

/** A collector's address, resolved. */
export interface Target {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number | null;
}

/**
 * Reads `HOST`, `HOST:PORT`, `ADDRESS6` or `[ADDRESS6]:PORT`; the port is 4754 unless said otherwise. Throws an
 * OperationalError that says what is wrong with it.
 */
export function parseDestination(text: string, encapsulation: Encapsulation): Destination {
  const wrong = (what: string) =>
    new OperationalError(
      "usage",
      `--collector ${text}: ${what}; write HOST or HOST:PORT, and an IPv6 address as [2001:db8::1]:4754`,
    );
  const [, bracketed, bare, portText] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? (isIP(text) === 6 ? [text, text] : []);
  const host = bracketed ?? bare;
  if (host === undefined) throw wrong("this is neither a name nor an address");
  if (bracketed !== undefined && isIP(bracketed) !== 6) throw wrong("what stands in brackets is not an IPv6 address");
  const port = portText === undefined ? null : Number(portText);
  if (encapsulation === "gre") {
    if (port !== null) throw wrong("GRE as IP protocol 47 has no ports, leave the port out");
    return { host, port: null };
  }
  if (port !== null && (port < 1 || port > 65_535)) throw wrong(`${port} is no port, they go from 1 to 65535`);
  return { host, port: port ?? PORT_GRE_IN_UDP };
}

/** Looks the collector's name up. Rejects with an OperationalError when it has no address. */
export async function resolveDestination(destination: Destination): Promise<Target> {
  try {
    const { address, family } = await lookup(destination.host);
    return { address, family: family === 6 ? 6 : 4, port: destination.port };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new OperationalError(
      "collector-unknown",
      `the collector's name ${destination.host} cannot be resolved (${code}); check --collector and the name service`,
      { retriable: true, cause },
    );
  }
}
