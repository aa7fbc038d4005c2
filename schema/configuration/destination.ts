import { isIP } from "node:net";

/** How copies travel: GRE over UDP (RFC 8086), or GRE as IP protocol 47. */
export const ENCAPSULATIONS = ["udp", "gre"] as const;
/** An entry of ENCAPSULATIONS. */
export type Encapsulation = (typeof ENCAPSULATIONS)[number];

/** What a collector's port depends on: ENCAPSULATIONS, and VXLAN, which only kernels send. */
export type CopyTransport = Encapsulation | "vxlan";

/** A collector as an operator names it; `port` is null for protocol 47, which has none. */
export interface Destination {
  readonly host: string;
  readonly port: number | null;
}

/** RFC 8086 §7, RFC 7348 §5. */
const PORTS = { udp: 4754, vxlan: 4789 } as const;

/**
 * Reads `HOST`, `HOST:PORT`, `ADDRESS6` or `[ADDRESS6]:PORT`; the port is 4754, of VXLAN 4789, unless said otherwise.
 * Returns what is wrong with other text.
 */
export function readDestination(text: string, transport: CopyTransport): Destination | string {
  const [, bracketed, bare, portText] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? (isIP(text) === 6 ? [text, text] : []);
  const host = bracketed ?? bare;
  if (host === undefined) return "this is neither a name nor an address";
  if (bracketed !== undefined && isIP(bracketed) !== 6) return "what stands in brackets is not an IPv6 address";
  const port = portText === undefined ? null : Number(portText);
  if (transport === "gre") {
    return port === null ? { host, port } : "GRE as IP protocol 47 has no ports, leave the port out";
  }
  if (port !== null && (port < 1 || port > 65_535)) return "ports go from 1 to 65535";
  return { host, port: port ?? PORTS[transport] };
}
