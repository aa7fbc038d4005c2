import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "./cursor.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "./ethernet.ts";

const LINK_TRUNCATED = fateOf("decapsulate/link-truncated");
const NOT_IP = fateOf("decapsulate/not-ip");

/** Says in `protocol` which IP version begins where nothing before it does: by its first four bits. */
export function readIpVersion(view: DataView, cursor: Cursor): number {
  if (cursor.at + 1 > cursor.end) return LINK_TRUNCATED;
  const version = view.getUint8(cursor.at) >> 4;
  if (version !== 4 && version !== 6) return NOT_IP;
  cursor.protocol = version === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return FATE_ALIVE;
}
