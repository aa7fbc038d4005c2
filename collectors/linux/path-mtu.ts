import { addressText } from "../../src/wire/address.ts";
import { FAILED, type Libc } from "./libc.ts";
import {
  AF_INET6,
  familyOf,
  IPV4_ADDRESS_AT,
  IPV6_ADDRESS_AT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCKADDR_OCTETS,
  socketAddress,
} from "./socket-address.ts";

const IPPROTO_IP = 0;
const IP_MTU = 14;
const IPPROTO_IPV6 = 41;
const IPV6_MTU = 24;
/** Any port: connecting a UDP socket sends nothing. */
const PORT = 4754;

/**
 * What the kernel knows of the path MTU to an IPv4 or IPv6 address, octets: the MTU of the route's interface, or less
 * where a router on the way has said so (ip(7), IP_MTU). Null where there is no route.
 */
export function pathMtu(libc: Libc, address: string): number | null {
  return connected(libc, address, (fd, family) => {
    const value = new Uint32Array(1);
    const octets = new Uint8Array(value.buffer);
    const [level, name] = family === AF_INET6 ? [IPPROTO_IPV6, IPV6_MTU] : [IPPROTO_IP, IP_MTU];
    return libc.getsockopt(fd, level, name, octets, Uint32Array.of(4)) === FAILED ? null : (value[0] ?? null);
  });
}

/** The address that this host speaks to an IPv4 or IPv6 address from, as text; null where there is no route. */
export function sourceAddress(libc: Libc, address: string): string | null {
  return connected(libc, address, (fd, family) => {
    const octets = new Uint8Array(SOCKADDR_OCTETS);
    if (libc.getsockname(fd, octets, Uint32Array.of(SOCKADDR_OCTETS)) === FAILED) return null;
    const view = new DataView(octets.buffer);
    return family === AF_INET6 ? addressText(view, IPV6_ADDRESS_AT, 6) : addressText(view, IPV4_ADDRESS_AT, 4);
  });
}

/** Asks a UDP socket that is connected to an address; null where it cannot be. */
function connected<T>(libc: Libc, address: string, ask: (fd: number, family: number) => T | null): T | null {
  const to = socketAddress(libc, address, PORT);
  if (to === null) return null;
  const family = familyOf(to);
  const fd = libc.socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd === FAILED) return null;
  try {
    return libc.connect(fd, to, to.length) === FAILED ? null : ask(fd, family);
  } finally {
    libc.close(fd);
  }
}
