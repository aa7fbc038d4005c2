import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "./ethernet.ts";
import { readIpVersion } from "./ip-version.ts";

/** EtherTypes of MPLS, unicast and multicast (RFC 5332 §4). */
const ETHERTYPE_MPLS = 0x8847;
const ETHERTYPE_MPLS_MULTICAST = 0x8848;
/** EtherType of PPP over Ethernet's session stage (RFC 2516 §4). */
const ETHERTYPE_PPPOE = 0x8864;

const LABEL_OCTETS = 4;
/** The octet of a label stack entry whose lowest bit says that it is the last (RFC 3032 §2.1). */
const BOTTOM = 2;
/** Labels of one packet; more are refused. */
const MAX_LABELS = 8;

const PPPOE_OCTETS = 6;
const PPPOE_LENGTH = 4;
/** Version 1, type 1, code 0: session data (RFC 2516 §4). */
const PPPOE_SESSION = 0x1100;
/** PPP protocol numbers (RFC 1332 §3, RFC 5072 §2). */
const PPP_IPV4 = 0x21;
const PPP_IPV6 = 0x57;

const LINK_TRUNCATED = fateOf("decapsulate/link-truncated");
const MPLS = fateOf("decapsulate/mpls");
const PPP = fateOf("decapsulate/ppp");

/** Moves past what may stand between a link layer and IP, where `protocol` says so: MPLS labels, or PPP over Ethernet. */
export function skipShim(view: DataView, cursor: Cursor): number {
  switch (cursor.protocol) {
    case ETHERTYPE_MPLS:
    case ETHERTYPE_MPLS_MULTICAST:
      return skipLabels(view, cursor);
    case ETHERTYPE_PPPOE:
      return skipPppoe(view, cursor);
    default:
      return FATE_ALIVE;
  }
}

/** Nothing says what stands behind the last label: an IP version, or it is a pseudowire, which is not read. */
function skipLabels(view: DataView, cursor: Cursor): number {
  for (let labels = 0; labels < MAX_LABELS; labels++) {
    if (cursor.at + LABEL_OCTETS > cursor.end) return LINK_TRUNCATED;
    const isLast = (view.getUint8(cursor.at + BOTTOM) & 1) === 1;
    cursor.at += LABEL_OCTETS;
    if (!isLast) continue;
    if (cursor.at === cursor.end) return LINK_TRUNCATED;
    return readIpVersion(view, cursor) === FATE_ALIVE ? FATE_ALIVE : MPLS;
  }
  return MPLS;
}

function skipPppoe(view: DataView, cursor: Cursor): number {
  const ppp = cursor.at + PPPOE_OCTETS;
  if (ppp + 2 > cursor.end) return LINK_TRUNCATED;
  if (view.getUint16(cursor.at) !== PPPOE_SESSION) return PPP;
  // An odd first octet is all there is of a number that was compressed (RFC 1661 §6.5).
  const isShort = (view.getUint8(ppp) & 1) === 1;
  const protocol = isShort ? view.getUint8(ppp) : view.getUint16(ppp);
  if (protocol !== PPP_IPV4 && protocol !== PPP_IPV6) return PPP;
  const wireEnd = ppp + view.getUint16(cursor.at + PPPOE_LENGTH);
  cursor.at = ppp + (isShort ? 1 : 2);
  cursor.wireEnd = Math.max(cursor.at, Math.min(cursor.wireEnd, wireEnd));
  cursor.end = Math.min(cursor.end, cursor.wireEnd);
  cursor.protocol = protocol === PPP_IPV4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return FATE_ALIVE;
}
