import { ASSIGNED_PORTS } from "../../schema/encapsulation.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";

/** Destination port of GRE-in-UDP (RFC 8086 §1). */
export const PORT_GRE_IN_UDP = ASSIGNED_PORTS["gre-in-udp"];

/** Octets of a UDP header, and where its length stands. */
export const UDP_HEADER_OCTETS = 8;
export const UDP_LENGTH = 4;

const DESTINATION_PORT = 2;

const TRUNCATED = fateOf("decapsulate/udp-truncated");
const MALFORMED = fateOf("decapsulate/udp-malformed");

/**
 * Moves past a UDP header (RFC 768), and cuts off what the packet has behind the datagram; the next `protocol` is the
 * destination port. A length of 0 states none, as in super-packets and jumbograms (RFC 2675 §4). Checksums are not verified:
 * offload leaves them unfinished, and over IPv6 tunnels may have none (RFC 6935).
 */
export function skipUdp(view: DataView, cursor: Cursor): number {
  if (cursor.at + UDP_HEADER_OCTETS > cursor.end) return TRUNCATED;
  const length = view.getUint16(cursor.at + UDP_LENGTH);
  if (length !== 0) {
    const wireEnd = cursor.at + length;
    if (length < UDP_HEADER_OCTETS || wireEnd > cursor.wireEnd) return MALFORMED;
    cursor.wireEnd = wireEnd;
    if (cursor.end > wireEnd) cursor.end = wireEnd;
  }
  cursor.protocol = view.getUint16(cursor.at + DESTINATION_PORT);
  cursor.at += UDP_HEADER_OCTETS;
  return FATE_ALIVE;
}
