import type { Cursor } from "./cursor.ts";
import { IPV4_FRAGMENT } from "./ipv4.ts";

const IPV4_IDENTIFICATION = 4;
const IPV4_MORE = 0x2000;
const IPV4_OFFSET = 0x1fff;
const IPV6_FLAGS = 2;
const IPV6_IDENTIFICATION = 4;
const IPV6_MORE = 0x0001;
const IPV6_OFFSET = 0xfff8;

/** Octets of an IPv6 fragment header (RFC 8200 §4.5). */
export const IPV6_FRAGMENT_OCTETS = 8;

/** What a fragment's header says of its place in its packet; one object serves all. */
export class FragmentFields {
  identification = 0;
  /** Octets of the packet's payload before this fragment's, and whether others follow. */
  offset = 0;
  more = false;
  /** IP protocol number of the packet's payload. */
  protocol = 0;
  /** Octet of the block where this fragment's part of the payload begins. */
  dataAt = 0;
}

/**
 * Reads the place of a fragment, whose IPv4 header begins at `ipAt` (RFC 791 §3.1) or whose IPv6 fragment header the cursor
 * stands at (RFC 8200 §4.5), as `skipIpv4` and `skipIpv6` leave it.
 */
export function readFragment(view: DataView, cursor: Cursor, family: number, ipAt: number, out: FragmentFields): void {
  if (family === 4) {
    const flags = view.getUint16(ipAt + IPV4_FRAGMENT);
    out.identification = view.getUint16(ipAt + IPV4_IDENTIFICATION);
    out.offset = (flags & IPV4_OFFSET) * 8;
    out.more = (flags & IPV4_MORE) !== 0;
    out.protocol = cursor.protocol;
    out.dataAt = cursor.at;
    return;
  }
  const flags = view.getUint16(cursor.at + IPV6_FLAGS);
  out.identification = view.getUint32(cursor.at + IPV6_IDENTIFICATION);
  out.offset = flags & IPV6_OFFSET;
  out.more = (flags & IPV6_MORE) !== 0;
  out.protocol = view.getUint8(cursor.at);
  out.dataAt = cursor.at + IPV6_FRAGMENT_OCTETS;
}

/** Whether an IPv6 fragment header says that it holds all of its packet: it is then as if it were not there (RFC 6946 §4). */
export const isAtomic = (view: DataView, at: number): boolean =>
  (view.getUint16(at + IPV6_FLAGS) & (IPV6_OFFSET | IPV6_MORE)) === 0;
