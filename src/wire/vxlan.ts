import { ASSIGNED_PORTS } from "../../schema/encapsulation.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { type DeliveryFields, encapsulationOf } from "./delivery-fields.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "./ethernet.ts";

/** Destination ports of VXLAN (RFC 7348 §5) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe-13 §3). */
export const PORT_VXLAN = ASSIGNED_PORTS.vxlan;
export const PORT_VXLAN_GPE = ASSIGNED_PORTS["vxlan-gpe"];
/** Where Linux sends VXLAN unless it is told otherwise (VXLAN_PORT in its drivers/net/vxlan): from before one was assigned. */
export const PORT_VXLAN_LINUX = 8472;

const HEADER_OCTETS = 8;
const NEXT_PROTOCOL = 3;
const VNI = 4;
/** The VNI is there (both); of GPE: version, next protocol is stated, OAM. */
const VNI_FLAG = 0x08;
const GPE_VERSION = 0x30;
const GPE_NEXT_PROTOCOL = 0x04;
const GPE_OAM = 0x01;
/** Values of GPE's next protocol (draft-ietf-nvo3-vxlan-gpe-13 §3.2). */
const GPE_IPV4 = 1;
const GPE_IPV6 = 2;
const GPE_ETHERNET = 3;

const VXLAN = encapsulationOf("vxlan");
const GPE = encapsulationOf("vxlan-gpe");

const TRUNCATED = fateOf("decapsulate/vxlan-truncated");
const MALFORMED = fateOf("decapsulate/vxlan-malformed");
const PROTOCOL = fateOf("decapsulate/delivery-protocol");

/**
 * Moves past a VXLAN header, or one of VXLAN-GPE by the port that `protocol` holds; the next `protocol` is an EtherType, or
 * `ethernet` where an Ethernet frame follows. Reserved bits are ignored (RFC 7348 §5).
 */
export function skipVxlan(view: DataView, cursor: Cursor, fields: DeliveryFields, ethernet: number): number {
  const at = cursor.at;
  if (at + HEADER_OCTETS > cursor.end) return TRUNCATED;
  const flags = view.getUint8(at);
  if ((flags & VNI_FLAG) === 0) return MALFORMED;
  fields.key = view.getUint32(at + VNI) >>> 8;
  fields.sequence = -1;
  fields.isEgress = false;
  fields.stampMicros = -1;
  cursor.at = at + HEADER_OCTETS;
  const isGpe = cursor.protocol === PORT_VXLAN_GPE;
  fields.encapsulation = isGpe ? GPE : VXLAN;
  cursor.protocol = ethernet;
  if (!isGpe) return FATE_ALIVE;
  if (flags & GPE_VERSION) return MALFORMED;
  if (flags & GPE_OAM) return PROTOCOL;
  return flags & GPE_NEXT_PROTOCOL ? readNext(view.getUint8(at + NEXT_PROTOCOL), cursor) : FATE_ALIVE;
}

function readNext(next: number, cursor: Cursor): number {
  if (next === GPE_ETHERNET) return FATE_ALIVE;
  if (next !== GPE_IPV4 && next !== GPE_IPV6) return PROTOCOL;
  cursor.protocol = next === GPE_IPV4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return FATE_ALIVE;
}
