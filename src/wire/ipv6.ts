import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { IPV6_FRAGMENT_OCTETS, isAtomic } from "./fragment.ts";

/** Octets of an IPv6 header without extension headers. */
export const IPV6_HEADER_OCTETS = 40;
/** Where fields of an IPv6 header stand that others read or write, too. */
export const IPV6_PAYLOAD_LENGTH = 4;
export const IPV6_NEXT_HEADER = 6;

const HOP_LIMIT = 7;
const SOURCE = 8;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
/** RFC 8200 §4.1 lists fewer than this; a longer chain is refused. */
const MAX_EXTENSION_HEADERS = 8;

const TRUNCATED = fateOf("decapsulate/ipv6-truncated");
const MALFORMED = fateOf("decapsulate/ipv6-malformed");
const IS_FRAGMENT = fateOf("decapsulate/fragment");

/** Moves past an IPv6 header and its extension headers (RFC 8200 §4); of a fragment, up to its fragment header. */
export function skipIpv6(view: DataView, cursor: Cursor): number {
  const at = cursor.at;
  if (at + IPV6_HEADER_OCTETS > cursor.end) return TRUNCATED;
  if (view.getUint8(at) >> 4 !== 6) return MALFORMED;
  const payloadLength = view.getUint16(at + IPV6_PAYLOAD_LENGTH);
  // Also a jumbogram's.
  if (payloadLength === 0) cursor.endUnstated(at);
  else {
    cursor.wireEnd = at + IPV6_HEADER_OCTETS + payloadLength;
    if (cursor.end > cursor.wireEnd) cursor.end = cursor.wireEnd;
  }
  cursor.protocol = view.getUint8(at + IPV6_NEXT_HEADER);
  cursor.at = at + IPV6_HEADER_OCTETS;
  return isExtension(cursor.protocol) ? skipExtensions(view, cursor) : FATE_ALIVE;
}

const isExtension = (protocol: number): boolean =>
  protocol === HOP_BY_HOP ||
  protocol === ROUTING ||
  protocol === FRAGMENT ||
  protocol === AUTHENTICATION ||
  protocol === DESTINATION_OPTIONS;

function skipExtensions(view: DataView, cursor: Cursor): number {
  for (let count = 0; isExtension(cursor.protocol); count++) {
    if (count === MAX_EXTENSION_HEADERS) return MALFORMED;
    if (cursor.at + 8 > cursor.end) return TRUNCATED;
    if (cursor.protocol === FRAGMENT && !isAtomic(view, cursor.at)) return IS_FRAGMENT;
    const length = view.getUint8(cursor.at + 1);
    const octets = octetsOf(cursor.protocol, length);
    cursor.protocol = view.getUint8(cursor.at);
    cursor.at += octets;
    if (cursor.at > cursor.end) return TRUNCATED;
  }
  return FATE_ALIVE;
}

/** Octets of an extension header whose second octet is `length`: reserved in a fragment header, in its own units in AH. */
function octetsOf(header: number, length: number): number {
  if (header === FRAGMENT) return IPV6_FRAGMENT_OCTETS;
  return header === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
}

/** Octet where the source address of the IPv6 header at `at` begins; the destination follows it. */
export const ipv6AddressAt = (at: number): number => at + SOURCE;

/** The octet of DSCP and ECN (RFC 8200 §7) of the header whose source address begins at `addressAt`. */
export const ipv6TrafficClass = (view: DataView, addressAt: number): number =>
  (view.getUint16(addressAt - SOURCE) >>> 4) & 0xff;

/** The hop limit of the header whose source address begins at `addressAt`. */
export const ipv6HopLimit = (view: DataView, addressAt: number): number =>
  view.getUint8(addressAt - SOURCE + HOP_LIMIT);
