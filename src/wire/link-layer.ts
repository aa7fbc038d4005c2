import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, skipEthernet, skipVlanTags } from "./ethernet.ts";
import { readIpVersion } from "./ip-version.ts";
import * as link from "./link-type.ts";

/** Linux cooked capture, version 1 and 2: where the EtherType stands, and the header's length. */
const SLL_TYPE = 14;
const SLL_OCTETS = 16;
const SLL2_TYPE = 0;
const SLL2_OCTETS = 20;
const NULL_OCTETS = 4;

/** Address families of BSD loopback headers: IPv4 is 2 everywhere, IPv6 differs by system. */
const AF_INET = 2;
const AF_INET6 = new Set([10, 24, 28, 30]);

const LINK_TYPE_UNKNOWN = fateOf("decapsulate/link-type-unknown");
const LINK_TRUNCATED = fateOf("decapsulate/link-truncated");
const NOT_IP = fateOf("decapsulate/not-ip");

/** Moves past the link-layer header of a LINKTYPE_ value; the next protocol is an EtherType. */
export function skipLinkLayer(view: DataView, cursor: Cursor, linkType: number): number {
  switch (linkType) {
    case link.LINKTYPE_ETHERNET:
      return skipEthernet(view, cursor);
    case link.LINKTYPE_IPV4:
      cursor.protocol = ETHERTYPE_IPV4;
      return FATE_ALIVE;
    case link.LINKTYPE_IPV6:
      cursor.protocol = ETHERTYPE_IPV6;
      return FATE_ALIVE;
    case link.LINKTYPE_RAW:
    case link.LINKTYPE_RAW_BSD_12:
    case link.LINKTYPE_RAW_BSD_14:
      return readIpVersion(view, cursor);
    case link.LINKTYPE_LINUX_SLL:
      return skipCooked(view, cursor, SLL_TYPE, SLL_OCTETS);
    case link.LINKTYPE_LINUX_SLL2:
      return skipCooked(view, cursor, SLL2_TYPE, SLL2_OCTETS);
    case link.LINKTYPE_NULL:
    case link.LINKTYPE_LOOP:
      return skipLoopback(view, cursor);
    default:
      return LINK_TYPE_UNKNOWN;
  }
}

function skipCooked(view: DataView, cursor: Cursor, typeAt: number, octets: number): number {
  if (cursor.at + octets > cursor.end) return LINK_TRUNCATED;
  cursor.protocol = view.getUint16(cursor.at + typeAt);
  cursor.at += octets;
  return skipVlanTags(view, cursor);
}

/** LINKTYPE_NULL is in the byte order of the capturing host, LINKTYPE_LOOP in network order: the small number tells. */
function skipLoopback(view: DataView, cursor: Cursor): number {
  if (cursor.at + NULL_OCTETS > cursor.end) return LINK_TRUNCATED;
  const family = Math.min(view.getUint32(cursor.at), view.getUint32(cursor.at, true));
  cursor.at += NULL_OCTETS;
  if (family !== AF_INET && !AF_INET6.has(family)) return NOT_IP;
  cursor.protocol = family === AF_INET ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return FATE_ALIVE;
}
