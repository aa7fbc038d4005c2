import type { PacketVector } from "../vector.ts";
import { addressText } from "../wire/address.ts";
import { ADD_ADDR, eachOption, REMOVE_ADDR } from "../wire/mptcp.ts";
import { SESSION_WORDS, SHED_ADDRESSES } from "./session-table.ts";
import { type AdvertisedAddress, MAX_ADDRESSES_OF_SESSION, type Sessions } from "./sessions.ts";

/** Length of an ADD_ADDR's HMAC in version 1 (RFC 8684 §3.4.1); an echo has none. */
const HMAC_OCTETS = 8;
const ECHO = 0x01;

/** Records every ADD_ADDR that is not an echo, and every REMOVE_ADDR, of one segment. Returns whether anything is new. */
export function takeAddresses(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  i: number,
): boolean {
  const { view } = vector;
  let isNew = false;
  const known = sessions.addresses.get(session) ?? [];
  const note = (address: AdvertisedAddress): void => {
    if (known.length < MAX_ADDRESSES_OF_SESSION) {
      known.push(address);
      isNew = true;
    } else sessions.table.words[session * SESSION_WORDS + SHED_ADDRESSES]!++;
  };
  eachOption(view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, ADD_ADDR, (at, length) => {
    const found = decodeAddAddr(view, at, length, sessions.table.version(session));
    if (found === null) return;
    const same = (one: AdvertisedAddress): boolean =>
      one.side === side && one.addressId === found.addressId && one.ip === found.ip && one.port === found.port;
    if (!known.some((one) => same(one) && one.removedMicros === null)) {
      note({ side, ...found, atMicros: vector.atMicros[i]!, removedMicros: null });
    }
  });
  eachOption(view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, REMOVE_ADDR, (at, length) => {
    for (let idAt = at + 3; idAt < at + length; idAt++) {
      const addressId = view.getUint8(idAt);
      const ofSide = known.filter((one) => one.side === side && one.addressId === addressId);
      const present = ofSide.find((one) => one.removedMicros === null);
      if (present !== undefined) {
        present.removedMicros = vector.atMicros[i]!;
        isNew = true;
      } else if (ofSide.length === 0) {
        note({ side, addressId, ip: null, port: null, atMicros: null, removedMicros: vector.atMicros[i]! });
      }
    }
  });
  if (known.length > 0) sessions.addresses.set(session, known);
  return isNew;
}

/**
 * Version 1: echo bit, 8 octets of HMAC unless an echo (RFC 8684 §3.4.1). Version 0: a nibble that says 4 or 6, no HMAC
 * (RFC 6824 §3.4.1). Null for an echo and for a length that is none.
 */
function decodeAddAddr(
  view: DataView,
  at: number,
  length: number,
  version: 0 | 1 | null,
): { addressId: number; ip: string; port: number | null } | null {
  const nibble = view.getUint8(at + 2) & 15;
  if (version !== 0 && nibble & ECHO) return null;
  const rest = length - 4 - (version === 0 ? 0 : HMAC_OCTETS);
  const family = rest === 4 || rest === 6 ? 4 : rest === 16 || rest === 18 ? 6 : 0;
  if (family === 0) return null;
  const hasPort = rest === 6 || rest === 18;
  return {
    addressId: view.getUint8(at + 3),
    ip: addressText(view, at + 4, family),
    port: hasPort ? view.getUint16(at + 4 + (family === 4 ? 4 : 16)) : null,
  };
}
