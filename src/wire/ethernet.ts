import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";

/** EtherTypes (IEEE 802 numbers), shared by Ethernet, Linux cooked capture and GRE (RFC 2784 §2.4). */
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_IPV6 = 0x86dd;
const ETHERTYPE_VLAN = 0x8100;
const ETHERTYPE_SERVICE_VLAN = 0x88a8;

const TYPE = 12;
const HEADER_OCTETS = 14;
const TAG_OCTETS = 4;
/** IEEE 802.1ad stacks two tags; more is refused. */
const MAX_TAGS = 2;

const LINK_TRUNCATED = fateOf("decapsulate/link-truncated");
const VLAN_DEPTH = fateOf("decapsulate/vlan-depth");

/** Moves past an Ethernet II header. The EtherType is the next protocol; VLAN tags are `skipVlanTags`' affair. */
export function skipEthernet(view: DataView, cursor: Cursor): number {
  if (cursor.at + HEADER_OCTETS > cursor.end) return LINK_TRUNCATED;
  cursor.protocol = view.getUint16(cursor.at + TYPE);
  cursor.at += HEADER_OCTETS;
  if (cursor.protocol !== ETHERTYPE_VLAN && cursor.protocol !== ETHERTYPE_SERVICE_VLAN) return FATE_ALIVE;
  return skipVlanTags(view, cursor);
}

/** Moves past up to two IEEE 802.1Q or 802.1ad tags, where `protocol` says there are any. */
export function skipVlanTags(view: DataView, cursor: Cursor): number {
  for (let tags = 0; cursor.protocol === ETHERTYPE_VLAN || cursor.protocol === ETHERTYPE_SERVICE_VLAN; tags++) {
    if (tags === MAX_TAGS) return VLAN_DEPTH;
    if (cursor.at + TAG_OCTETS > cursor.end) return LINK_TRUNCATED;
    cursor.protocol = view.getUint16(cursor.at + 2);
    cursor.at += TAG_OCTETS;
  }
  return FATE_ALIVE;
}
