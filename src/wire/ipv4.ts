import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";

/** IP protocol numbers that are read. */
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_GRE = 47;

/** Octets of an IPv4 header without options. */
export const IPV4_MIN_OCTETS = 20;
/** Where fields of an IPv4 header stand that others read or write, too. */
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_FRAGMENT = 6;
export const IPV4_PROTOCOL = 9;

const TRAFFIC_CLASS = 1;
const IDENTIFICATION = 4;
const HOP_LIMIT = 8;
const SOURCE = 12;
/** More Fragments and the fragment offset; Don't Fragment and the reserved bit do not matter here. */
const FRAGMENT_MASK = 0x3fff;

const TRUNCATED = fateOf("decapsulate/ipv4-truncated");
const MALFORMED = fateOf("decapsulate/ipv4-malformed");
const IS_FRAGMENT = fateOf("decapsulate/fragment");

/** Moves past an IPv4 header with its options (RFC 791), also a fragment's, and cuts Ethernet padding off the packet's end. */
export function skipIpv4(view: DataView, cursor: Cursor): number {
  const at = cursor.at;
  if (at + IPV4_MIN_OCTETS > cursor.end) return TRUNCATED;
  const first = view.getUint8(at);
  const headerOctets = (first & 15) * 4;
  const totalLength = view.getUint16(at + IPV4_TOTAL_LENGTH);
  if (first >> 4 !== 4 || headerOctets < IPV4_MIN_OCTETS) return MALFORMED;
  if (totalLength === 0) cursor.endUnstated(at);
  else {
    if (totalLength < headerOctets) return MALFORMED;
    cursor.wireEnd = at + totalLength;
    if (cursor.end > cursor.wireEnd) cursor.end = cursor.wireEnd;
  }
  if (at + headerOctets > cursor.end) return TRUNCATED;
  cursor.protocol = view.getUint8(at + IPV4_PROTOCOL);
  cursor.at = at + headerOctets;
  return (view.getUint16(at + IPV4_FRAGMENT) & FRAGMENT_MASK) !== 0 ? IS_FRAGMENT : FATE_ALIVE;
}

/** Octet where the source address of the IPv4 header at `at` begins; the destination follows it. */
export const ipv4AddressAt = (at: number): number => at + SOURCE;

/** The identification of the IPv4 header at `at`. */
export const ipv4Identification = (view: DataView, at: number): number => view.getUint16(at + IDENTIFICATION);

/** The octet of DSCP and ECN (RFC 2474 §3, RFC 3168 §5) of the header whose source address begins at `addressAt`. */
export const ipv4TrafficClass = (view: DataView, addressAt: number): number =>
  view.getUint8(addressAt - SOURCE + TRAFFIC_CLASS);

/** The time to live of the header whose source address begins at `addressAt`. */
export const ipv4HopLimit = (view: DataView, addressAt: number): number =>
  view.getUint8(addressAt - SOURCE + HOP_LIMIT);
