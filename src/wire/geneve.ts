import { ASSIGNED_PORTS } from "../../schema/encapsulation.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { type DeliveryFields, encapsulationOf } from "./delivery-fields.ts";

/** Destination port of Geneve (RFC 8926 §3.3). */
export const PORT_GENEVE = ASSIGNED_PORTS.geneve;

const BASE_OCTETS = 8;
const CONTROL = 0x80;
const FLAGS = 1;
const PROTOCOL_TYPE = 2;
const VNI = 4;

const GENEVE = encapsulationOf("geneve");

const TRUNCATED = fateOf("decapsulate/geneve-truncated");
const VERSION = fateOf("decapsulate/geneve-version");
const PROTOCOL = fateOf("decapsulate/delivery-protocol");

/**
 * Moves past a Geneve header (RFC 8926 §3.4) and its options, critical ones too: whom they concern is the tunnel's end, and
 * an observer is none. The next `protocol` is its protocol type. A control message carries nobody's packet.
 */
export function skipGeneve(view: DataView, cursor: Cursor, fields: DeliveryFields): number {
  const at = cursor.at;
  if (at + BASE_OCTETS > cursor.end) return TRUNCATED;
  const first = view.getUint8(at);
  if (first >> 6 !== 0) return VERSION;
  if (view.getUint8(at + FLAGS) & CONTROL) return PROTOCOL;
  fields.key = view.getUint32(at + VNI) >>> 8;
  fields.sequence = -1;
  fields.encapsulation = GENEVE;
  fields.isEgress = false;
  fields.stampMicros = -1;
  cursor.protocol = view.getUint16(at + PROTOCOL_TYPE);
  cursor.at = at + BASE_OCTETS + (first & 63) * 4;
  return cursor.at > cursor.end ? TRUNCATED : FATE_ALIVE;
}
