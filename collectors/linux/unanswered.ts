import { FAILED, type Libc } from "./libc.ts";
import { AF_INET, AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_RAW, socketAddress } from "./socket-address.ts";
import { receiveNothing } from "./socket-filter.ts";

/**
 * Sockets of a UDP port and an IP protocol that take no packet. A host answers packets that no socket is there for with
 * ICMP, and who reads them from a ring has none. A port that another program has is left to it.
 */
export class UnansweredPackets {
  private readonly libc: Libc;
  private readonly sockets: number[] = [];

  /** A socket that cannot be had is left out: the kernel then answers. */
  constructor(libc: Libc, port: number, protocol: number) {
    this.libc = libc;
    const open = (family: number, type: number, number: number, address: Uint8Array | null): boolean => {
      const fd = libc.socket(family, type | SOCK_CLOEXEC, number);
      if (fd === FAILED) return false;
      this.sockets.push(fd);
      if (receiveNothing(libc, fd) !== null) return false;
      return address === null || libc.bind(fd, address, address.length) !== FAILED;
    };
    // A socket of all IPv6 addresses has those of IPv4, too; a host without IPv6 has only these.
    open(AF_INET6, SOCK_DGRAM, 0, socketAddress(libc, "::", port)) ||
      open(AF_INET, SOCK_DGRAM, 0, socketAddress(libc, "0.0.0.0", port));
    for (const family of [AF_INET, AF_INET6]) open(family, SOCK_RAW, protocol, null);
  }

  /** Gives the sockets back. */
  close(): void {
    for (const fd of this.sockets.splice(0)) this.libc.close(fd);
  }
}
