import { ASSIGNED_PORTS } from "../../schema/encapsulation.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";

/** Destination port of GRE-in-UDP (RFC 8086 §1). */
export const PORT_GRE_IN_UDP = ASSIGNED_PORTS["gre-in-udp"];

const DESTINATION_PORT = 2;
const HEADER_OCTETS = 8;

const TRUNCATED = fateOf("decapsulate/udp-truncated");

/** Moves past a UDP header; the next `protocol` is the destination port. */
export function skipUdp(view: DataView, cursor: Cursor): number {
  if (cursor.at + HEADER_OCTETS > cursor.end) return TRUNCATED;
  cursor.protocol = view.getUint16(cursor.at + DESTINATION_PORT);
  cursor.at += HEADER_OCTETS;
  return FATE_ALIVE;
}
