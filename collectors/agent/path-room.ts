import { IPV4_MIN_OCTETS } from "../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS } from "../../src/wire/ipv6.ts";
import { UDP_HEADER_OCTETS } from "../../src/wire/udp.ts";
import { type Libc, loadLibc } from "../linux/libc.ts";
import { pathMtu } from "../linux/path-mtu.ts";
import type { Target } from "./destination.ts";

/** Taken where the kernel cannot be asked. */
const ETHERNET_MTU = 1500;
/** The most that an IP header's length field can say. */
const MAX_IP_OCTETS = 65_535;
/** Whatever the path says, the headers of a payload packet go into a copy. */
const LEAST_ROOM = 128;

/** Octets of a payload packet that a copy can carry to the target in one packet, after `greOctets` of GRE header. */
export async function pathRoom(target: Target, greOctets: number): Promise<number> {
  return roomOf(await mtuTo(target), target, greOctets);
}

/** The same when copies may be fragmented: all that one IP packet can hold. */
export function largestRoom(target: Target, greOctets: number): number {
  return roomOf(MAX_IP_OCTETS, target, greOctets);
}

/** Octets of delivery headers before a payload packet on its way to the target: IP, UDP where there is a port, and GRE. */
export function deliveryOctets({ family, port }: Target, greOctets: number): number {
  return (family === 6 ? IPV6_HEADER_OCTETS : IPV4_MIN_OCTETS) + (port === null ? 0 : UDP_HEADER_OCTETS) + greOctets;
}

function roomOf(mtu: number, target: Target, greOctets: number): number {
  return Math.max(LEAST_ROOM, Math.min(mtu, MAX_IP_OCTETS) - deliveryOctets(target, greOctets));
}

async function mtuTo(target: Target): Promise<number> {
  let libc: Libc;
  try {
    libc = await loadLibc();
  } catch {
    return ETHERNET_MTU; // no koffi: said where the capture is opened, if it matters there
  }
  return pathMtu(libc, target.address) ?? ETHERNET_MTU;
}
