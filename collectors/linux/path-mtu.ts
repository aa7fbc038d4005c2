import { parseAddress } from "../../src/wire/address.ts";
import { FAILED, type Libc } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const IPPROTO_IP = 0;
const IP_MTU = 14;
const IPPROTO_IPV6 = 41;
const IPV6_MTU = 24;
/** Any port: connecting a UDP socket sends nothing. */
const PORT = 4754;

/**
 * What the kernel knows of the path MTU to an IPv4 or IPv6 address, octets: the MTU of the route's interface, or less
 * where a router on the way has said so (ip(7), IP_MTU). Null where there is no route or the address has a scope.
 */
export function pathMtu(libc: Libc, address: string): number | null {
  const parsed = parseAddress(address);
  if (parsed === null) return null;
  const ipv6 = parsed.family === 6;
  const socketAddress = new Uint8Array(ipv6 ? 28 : 16);
  const view = new DataView(socketAddress.buffer);
  new Uint16Array(socketAddress.buffer)[0] = ipv6 ? AF_INET6 : AF_INET;
  view.setUint16(2, PORT);
  if (ipv6) for (const [k, word] of parsed.words.entries()) view.setUint32(8 + k * 4, word);
  else view.setUint32(4, parsed.words[0] ?? 0);

  const fd = libc.socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (fd === FAILED) return null;
  try {
    if (libc.connect(fd, socketAddress, socketAddress.length) === FAILED) return null;
    const value = new Uint32Array(1);
    const octets = new Uint8Array(value.buffer);
    const [level, name] = ipv6 ? [IPPROTO_IPV6, IPV6_MTU] : [IPPROTO_IP, IP_MTU];
    return libc.getsockopt(fd, level, name, octets, Uint32Array.of(4)) === FAILED ? null : (value[0] ?? null);
  } finally {
    libc.close(fd);
  }
}
