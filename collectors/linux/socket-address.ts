import { parseAddress } from "../../src/wire/address.ts";
import type { Libc } from "./libc.ts";

/** Address families and socket types of the C library, for `socket`. */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

/** Octets of a `struct sockaddr_in`, and of a `struct sockaddr_in6`, which has room for either. */
const SOCKADDR_IN_OCTETS = 16;
export const SOCKADDR_OCTETS = 28;
/** Where they have the port, the address and the number of the interface, that is the scope of a link-local address. */
export const PORT_AT = 2;
export const IPV4_ADDRESS_AT = 4;
export const IPV6_ADDRESS_AT = 8;
const SCOPE_WORD = 6;

/**
 * A `struct sockaddr_in` or `sockaddr_in6` of an address as text, which may have a zone (`fe80::1%eth0`), and a port.
 * Null for text that is no address.
 */
export function socketAddress(libc: Libc, text: string, port: number): Uint8Array<ArrayBuffer> | null {
  const [address = "", zone] = text.split("%");
  const parsed = parseAddress(address);
  if (parsed === null) return null;
  const ipv6 = parsed.family === 6;
  const octets = new Uint8Array(ipv6 ? SOCKADDR_OCTETS : SOCKADDR_IN_OCTETS);
  const view = new DataView(octets.buffer);
  // Family and scope are in the machine's own octet order, the rest in the network's.
  new Uint16Array(octets.buffer)[0] = ipv6 ? AF_INET6 : AF_INET;
  view.setUint16(PORT_AT, port);
  if (ipv6) for (const [k, word] of parsed.words.entries()) view.setUint32(IPV6_ADDRESS_AT + k * 4, word);
  else view.setUint32(IPV4_ADDRESS_AT, parsed.words[0] ?? 0);
  if (ipv6 && zone !== undefined) new Uint32Array(octets.buffer)[SCOPE_WORD] = libc.interfaceIndex(zone);
  return octets;
}

/** The family of a socket address. */
export function familyOf(address: Uint8Array<ArrayBuffer>): number {
  return new Uint16Array(address.buffer)[0] ?? 0;
}

/** The port that a bound socket has; 0 where it cannot be asked. */
export function boundPort(libc: Libc, fd: number): number {
  const octets = new Uint8Array(SOCKADDR_OCTETS);
  libc.getsockname(fd, octets, Uint32Array.of(SOCKADDR_OCTETS));
  return new DataView(octets.buffer).getUint16(PORT_AT);
}
