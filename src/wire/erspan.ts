import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { type DeliveryFields, encapsulationOf } from "./delivery-fields.ts";
import { readIpVersion } from "./ip-version.ts";

/** GRE protocol types of ERSPAN types I and II, and III (draft-foschiano-erspan-03 §4.1, §4.2, §4.3). */
export const GRE_ERSPAN_II = 0x88be;
export const GRE_ERSPAN_III = 0x22eb;

const TYPE_II_OCTETS = 8;
const TYPE_III_OCTETS = 12;
const SUBHEADER_OCTETS = 8;
const SESSION_ID = 2;
const TIMESTAMP = 4;
const SESSION_ID_MASK = 0x03ff;
/** Type III: the word with frame type, hardware id, direction, granularity and, in its lowest bit, "subheader follows". */
const FRAME_WORD = 10;
/** Direction: 0 as the packet came into the device, 1 as it left. */
const EGRESS = 0x0008;
const FRAME_ETHERNET = 0;
const FRAME_IP = 2;
/** Granularity of the time stamp (draft-foschiano-erspan-03 §4.3); 3 is whatever its operator set. */
const GRANULARITY_SHIFT = 1;
const GRANULARITY_MASK = 3;
const STAMP_100_MICROS = 0;
const STAMP_100_NANOS = 1;
const STAMP_IEEE1588 = 2;
/** Platforms whose subheader has the seconds to a time stamp of nanoseconds. */
const PLATFORMS_WITH_SECONDS = [5, 6];
const SUBHEADER_SECONDS = 4;

const ERSPAN = encapsulationOf("erspan");

const TRUNCATED = fateOf("decapsulate/erspan-truncated");
const MALFORMED = fateOf("decapsulate/erspan-malformed");

/**
 * Moves past the ERSPAN header behind a GRE header whose protocol type is one of the two; `ethernet` is what the next
 * `protocol` is where an Ethernet frame follows. Type I has no header at all: the GRE header then has no sequence number
 * (draft-foschiano-erspan-03 §4.1).
 */
export function skipErspan(view: DataView, cursor: Cursor, fields: DeliveryFields, ethernet: number): number {
  const isTypeIII = cursor.protocol === GRE_ERSPAN_III;
  cursor.protocol = ethernet;
  fields.encapsulation = ERSPAN;
  if (!isTypeIII && fields.sequence < 0) return FATE_ALIVE;
  const at = cursor.at;
  const octets = isTypeIII ? TYPE_III_OCTETS : TYPE_II_OCTETS;
  if (at + octets > cursor.end) return TRUNCATED;
  if (view.getUint8(at) >> 4 !== (isTypeIII ? 2 : 1)) return MALFORMED;
  if (fields.key < 0) fields.key = view.getUint16(at + SESSION_ID) & SESSION_ID_MASK;
  cursor.at = at + octets;
  if (!isTypeIII) return FATE_ALIVE;
  const word = view.getUint16(at + FRAME_WORD);
  fields.isEgress = (word & EGRESS) !== 0;
  const subheaderAt = word & 1 ? cursor.at : -1;
  if (subheaderAt >= 0) cursor.at += SUBHEADER_OCTETS;
  if (cursor.at > cursor.end) return TRUNCATED;
  readStamp(view, view.getUint32(at + TIMESTAMP), (word >> GRANULARITY_SHIFT) & GRANULARITY_MASK, subheaderAt, fields);
  const frame = (word >> 10) & 31;
  if (frame === FRAME_ETHERNET) return FATE_ALIVE;
  return frame === FRAME_IP ? readIpVersion(view, cursor) : MALFORMED;
}

/** Leaves the time stamp in `fields`, where its unit is known, and of nanoseconds the seconds are: without them they are not. */
function readStamp(
  view: DataView,
  stamp: number,
  granularity: number,
  subheaderAt: number,
  fields: DeliveryFields,
): void {
  if (granularity === STAMP_100_MICROS || granularity === STAMP_100_NANOS) {
    const unit = granularity === STAMP_100_MICROS ? 100 : 0.1;
    fields.stampMicros = stamp * unit;
    fields.stampUnitMicros = unit;
    fields.stampPeriodMicros = 2 ** 32 * unit;
  } else if (granularity === STAMP_IEEE1588 && subheaderAt >= 0) {
    if (!PLATFORMS_WITH_SECONDS.includes(view.getUint8(subheaderAt) >> 2)) return;
    fields.stampMicros = view.getUint32(subheaderAt + SUBHEADER_SECONDS) * 1e6 + stamp / 1000;
    fields.stampUnitMicros = 0;
    fields.stampPeriodMicros = 2 ** 32 * 1e6;
  }
}
