import { MAX_ADDRESSES } from "../../schema/session-vocabulary.ts";
import type { PacketVector } from "../vector.ts";
import { addressText } from "../wire/address.ts";
import { ADD_ADDR, eachOption, type MptcpOptions, REMOVE_ADDR } from "../wire/mptcp.ts";
import { addAddrHmac } from "./keys.ts";
import { keyAt, S_KEY, SESSION_WORDS, SHED_ADDRESSES } from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { type Finding, unverifiable, whyKeyless } from "./verdicts.ts";

/** Length of an ADD_ADDR's HMAC in version 1 (RFC 8684 §3.4.1); an echo has none. */
const HMAC_OCTETS = 8;
const ECHO = 0x01;

/** An address one side announced (ADD_ADDR) or took back (REMOVE_ADDR), RFC 8684 §3.4. */
export interface AdvertisedAddress {
  readonly side: 0 | 1;
  readonly addressId: number;
  readonly ip: string | null;
  readonly port: number | null;
  readonly atMicros: number | null;
  /** What the HMAC is over, and its 8 octets; null where there is none (version 0, only the removal seen). */
  readonly hmac: { readonly over: Uint8Array; readonly octets: Uint8Array } | null;
  /** When the other side's echo came. */
  echoedMicros: number | null;
  removedMicros: number | null;
}

type Announced = Pick<AdvertisedAddress, "addressId" | "ip" | "port" | "hmac"> & { readonly isEcho: boolean };

/**
 * Records every ADD_ADDR, echo and REMOVE_ADDR of one segment; those whose form is not the session's version's count as
 * malformed in `options`. Returns whether anything is new.
 */
export function takeAddresses(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  vector: PacketVector,
  i: number,
  options: MptcpOptions,
): boolean {
  const { view } = vector;
  const version = sessions.table.version(session);
  const atMicros = vector.atMicros[i]!;
  let isNew = false;
  const known = sessions.rare.addresses.get(session) ?? [];
  const note = (address: AdvertisedAddress): void => {
    if (known.length < MAX_ADDRESSES && sessions.rare.allotments.addresses.take()) {
      known.push(address);
      isNew = true;
    } else sessions.table.words[session * SESSION_WORDS + SHED_ADDRESSES]!++;
  };
  eachOption(view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, ADD_ADDR, (at, length) => {
    const found = decodeAddAddr(vector, at, length, version);
    if (found === null) {
      // With a known version its length is one of the other version: a host ignores it.
      if (version !== null) options.malformed++;
      return;
    }
    const { isEcho, ...announced } = found;
    const owner = isEcho ? 1 - side : side;
    const present = known.filter(
      (one) =>
        one.side === owner &&
        one.addressId === found.addressId &&
        one.ip === found.ip &&
        one.port === found.port &&
        one.removedMicros === null,
    );
    if (isEcho) {
      for (const one of present) one.echoedMicros ??= atMicros;
    } else if (!present.some((one) => isSameHmac(one, announced))) {
      note({ side, ...announced, atMicros, echoedMicros: null, removedMicros: null });
    }
  });
  eachOption(view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, REMOVE_ADDR, (at, length) => {
    for (let idAt = at + 3; idAt < at + length; idAt++) {
      const addressId = view.getUint8(idAt);
      const ofSide = known.filter((one) => one.side === side && one.addressId === addressId);
      const present = ofSide.filter((one) => one.removedMicros === null);
      for (const one of present) {
        one.removedMicros = atMicros;
        isNew = true;
      }
      if (ofSide.length > 0) continue;
      const nothing = { ip: null, port: null, atMicros: null, hmac: null, echoedMicros: null };
      note({ side, addressId, ...nothing, removedMicros: atMicros });
    }
  });
  if (known.length > 0) sessions.rare.addresses.set(session, known);
  return isNew;
}

/** One address has one right HMAC: announcements with different ones are told apart. */
function isSameHmac(a: Pick<Announced, "hmac">, b: Pick<Announced, "hmac">): boolean {
  return a.hmac === null || b.hmac === null ? a.hmac === b.hmac : Buffer.compare(a.hmac.octets, b.hmac.octets) === 0;
}

/** Whether an announcement's HMAC is right, and which end of it was sent. Null: it has none. */
export function addressFinding(
  sessions: Sessions,
  session: number,
  { side, hmac }: AdvertisedAddress,
): { readonly finding: Finding; readonly form: "rightmost" | "leftmost" | null } {
  if (hmac === null) return { finding: null, form: null };
  if ((sessions.table.state(session) & (3 * S_KEY)) !== 3 * S_KEY) {
    return { finding: unverifiable(whyKeyless(sessions, session)), form: null };
  }
  const whole = addAddrHmac(sessions.table.words, keyAt(session, side), keyAt(session, 1 - side), hmac.over);
  // RFC 8684 §3.4.1: the rightmost 64 bits. Some old kernels sent the leftmost.
  if (whole.subarray(-HMAC_OCTETS).equals(hmac.octets)) return { finding: { verdict: "verified" }, form: "rightmost" };
  if (whole.subarray(0, HMAC_OCTETS).equals(hmac.octets)) return { finding: { verdict: "verified" }, form: "leftmost" };
  return { finding: { verdict: "failed" }, form: null };
}

/**
 * Version 1: echo bit, 8 octets of HMAC unless an echo (RFC 8684 §3.4.1). Version 0: a nibble that says 4 or 6, no HMAC
 * (RFC 6824 §3.4.1). Null for a length that is none.
 */
function decodeAddAddr(vector: PacketVector, at: number, length: number, version: 0 | 1 | null): Announced | null {
  const { view, block } = vector;
  const isEcho = version !== 0 && (view.getUint8(at + 2) & ECHO) !== 0;
  const hasHmac = version !== 0 && !isEcho;
  const rest = length - 4 - (hasHmac ? HMAC_OCTETS : 0);
  const family = rest === 4 || rest === 6 ? 4 : rest === 16 || rest === 18 ? 6 : 0;
  if (family === 0) return null;
  const octets = family === 4 ? 4 : 16;
  const hasPort = rest > octets;
  let hmac: Announced["hmac"] = null;
  if (hasHmac) {
    const over = new Uint8Array(1 + octets + 2);
    over.set(block.subarray(at + 3, at + 4 + rest));
    hmac = { over, octets: block.slice(at + length - HMAC_OCTETS, at + length) };
  }
  return {
    addressId: view.getUint8(at + 3),
    ip: addressText(view, at + 4, family),
    port: hasPort ? view.getUint16(at + 4 + octets) : null,
    hmac,
    isEcho,
  };
}
