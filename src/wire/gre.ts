import { FATE_ALIVE, fateOf } from "../fate.ts";
import { sumOctets } from "../octets/octet-sum.ts";
import type { Cursor } from "./cursor.ts";
import type { DeliveryFields } from "./delivery-fields.ts";

/** GRE protocol type of Transparent Ethernet Bridging (RFC 1701's registry). IPv4 and IPv6 are their EtherTypes. */
export const GRE_ETHERNET = 0x6558;
/** Of PPP (RFC 2637 §4.1), and of a keepalive, which carries nothing: its sender wants it back. */
export const GRE_PPP = 0x880b;
export const GRE_KEEPALIVE = 0x0000;

const PROTOCOL_TYPE = 2;
const BASE_OCTETS = 4;

const CHECKSUM_PRESENT = 0x8000;
/** Bits 1, 4 and 5: RFC 1701 routing, strict source route, recursion control (RFC 2784 §2.3: discard). */
const RFC1701_BITS = 0x4c00;
const KEY_PRESENT = 0x2000;
const SEQUENCE_PRESENT = 0x1000;
const VERSION_MASK = 0x0007;

const TRUNCATED = fateOf("decapsulate/gre-truncated");
const VERSION = fateOf("decapsulate/gre-version");
const ROUTED = fateOf("decapsulate/gre-routed");
const CHECKSUM = fateOf("decapsulate/gre-checksum");

/**
 * Moves past a GRE version 0 header (RFC 2784 §2, RFC 2890 §2); the next `protocol` is its protocol type. Reserved
 * bits 6 to 12 are ignored, as RFC 2784 §2.3 asks of a receiver. The checksum is verified where the copy is whole.
 */
export function skipGre(view: DataView, cursor: Cursor, fields: DeliveryFields): number {
  const start = cursor.at;
  if (start + BASE_OCTETS > cursor.end) return TRUNCATED;
  const bits = view.getUint16(start);
  if ((bits & VERSION_MASK) !== 0) return VERSION;
  if ((bits & RFC1701_BITS) !== 0) return ROUTED;
  let at = start + BASE_OCTETS;
  if (bits & CHECKSUM_PRESENT) at += 4;
  const keyAt = at;
  if (bits & KEY_PRESENT) at += 4;
  const sequenceAt = at;
  if (bits & SEQUENCE_PRESENT) at += 4;
  if (at > cursor.end) return TRUNCATED;
  if (
    bits & CHECKSUM_PRESENT &&
    cursor.end >= cursor.wireEnd &&
    sumOctets(view, start, cursor.end - start) !== 0xffff
  ) {
    return CHECKSUM;
  }
  fields.key = bits & KEY_PRESENT ? view.getUint32(keyAt) : -1;
  fields.sequence = bits & SEQUENCE_PRESENT ? view.getUint32(sequenceAt) : -1;
  fields.isEgress = false;
  fields.stampMicros = -1;
  cursor.protocol = view.getUint16(start + PROTOCOL_TYPE);
  cursor.at = at;
  return FATE_ALIVE;
}
