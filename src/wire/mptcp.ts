import { OPTION_MPTCP } from "./tcp.ts";

/** Option subtypes (RFC 8684 §8.1). */
export const MP_CAPABLE = 0;
export const MP_JOIN = 1;
export const DSS = 2;
export const ADD_ADDR = 3;
export const REMOVE_ADDR = 4;
export const MP_FASTCLOSE = 7;

/** Bits of the second half of MP_CAPABLE's first octets (RFC 8684 §3.1). */
export const CAPABLE_CHECKSUM = 0x80;

/** Bits of a DSS (RFC 8684 §3.3). */
export const DSS_ACK = 0x01;
export const DSS_ACK_64 = 0x02;
export const DSS_MAPPING = 0x04;
export const DSS_DSN_64 = 0x08;
export const DSS_DATA_FIN = 0x10;

/** The low nibble after the subtype of a MP_JOIN SYN: backup (RFC 8684 §3.2). */
const JOIN_BACKUP = 0x01;

/**
 * The MPTCP options of one segment, decoded in place: numbers, and `...At` fields that say where in the block longer
 * values lie (0: absent). One object serves all packets. Only the first option of a subtype is kept, except that every
 * ADD_ADDR and REMOVE_ADDR is found by `eachOption`.
 */
export class MptcpOptions {
  /** Bit n: subtype n was there with a legal length. */
  seen = 0;

  capableVersion = 0;
  capableFlags = 0;
  /** The sender's key and, in the third ACK and with first data, the receiver's: 8 octets each. */
  senderKeyAt = 0;
  receiverKeyAt = 0;

  /** MP_JOIN's length: 12 in a SYN, 16 in a SYN/ACK, 24 in the third ACK. */
  joinLength = 0;
  joinBackup = false;
  joinAddressId = 0;
  joinToken = 0;
  joinNonce = 0;
  /** 8 octets in a SYN/ACK, 20 in the third ACK. */
  joinHmacAt = 0;

  /** DSS_ bits; a MP_CAPABLE with a data length counts as a mapping (RFC 8684 §3.1). */
  dss = 0;
  dsnHi = 0;
  dsnLo = 0;
  /** Relative subflow sequence number at which the mapping begins. */
  ssn = 0;
  /** Data-level length; 0 is an infinite mapping (RFC 8684 §3.7). */
  dataLength = 0;
  /** True when the mapping came in a MP_CAPABLE: it lies at IDSN + 1, which the option does not say. */
  capableMapping = false;

  /** MP_FASTCLOSE: the receiver's key. */
  fastcloseKeyAt = 0;
}

/**
 * Decodes the MPTCP options among the TCP options from `at` (the first MPTCP one) to `end`. An option that is cut or
 * has an illegal length ends the walk; those before it are kept.
 */
export function decodeMptcp(view: DataView, at: number, end: number, out: MptcpOptions): void {
  out.seen = 0;
  out.dss = 0;
  out.capableMapping = false;
  let i = at;
  while (i < end) {
    const kind = view.getUint8(i);
    if (kind === 0) return;
    if (kind === 1) {
      i++;
      continue;
    }
    const length = i + 1 < end ? view.getUint8(i + 1) : 0;
    if (length < 2 || i + length > end) return;
    if (kind === OPTION_MPTCP) {
      if (length < 3) return;
      const subtype = view.getUint8(i + 2) >> 4;
      if ((out.seen & (1 << subtype)) === 0 && decodeSubtype(view, i, length, subtype, out)) out.seen |= 1 << subtype;
    }
    i += length;
  }
}

/** Calls `take` with the place and length of every MPTCP option of a subtype that is whole. For rare options only. */
export function eachOption(
  view: DataView,
  from: number,
  end: number,
  subtype: number,
  take: (at: number, length: number) => void,
): void {
  let i = from;
  while (i + 1 < end) {
    const kind = view.getUint8(i);
    if (kind === 0) return;
    const length = kind === 1 ? 1 : view.getUint8(i + 1);
    if (kind !== 1 && (length < 2 || i + length > end)) return;
    if (kind === OPTION_MPTCP && length > 2 && view.getUint8(i + 2) >> 4 === subtype) take(i, length);
    i += length;
  }
}

/** Returns false when the length is none that the RFC gives this subtype. */
function decodeSubtype(view: DataView, at: number, length: number, subtype: number, out: MptcpOptions): boolean {
  switch (subtype) {
    case DSS:
      return decodeDss(view, at, length, out);
    case MP_CAPABLE:
      return decodeCapable(view, at, length, out);
    case MP_JOIN:
      return decodeJoin(view, at, length, out);
    case MP_FASTCLOSE:
      // RFC 8684 §3.5.
      out.fastcloseKeyAt = at + 4;
      return length === 12;
    default:
      return true;
  }
}

/** RFC 8684 §3.3.1: flags, then data ACK of 0, 4 or 8 octets, then DSN of 4 or 8, subflow sequence, length, checksum. */
function decodeDss(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length < 4) return false;
  const bits = view.getUint8(at + 3) & 0x1f;
  let i = at + 4;
  if (bits & DSS_ACK) i += bits & DSS_ACK_64 ? 8 : 4;
  if (bits & DSS_MAPPING) {
    const wide = (bits & DSS_DSN_64) !== 0;
    if (i + (wide ? 14 : 10) > at + length) return false;
    out.dsnHi = wide ? view.getUint32(i) : 0;
    if (wide) i += 4;
    out.dsnLo = view.getUint32(i);
    out.ssn = view.getUint32(i + 4);
    out.dataLength = view.getUint16(i + 8);
    i += 10;
    // The checksum is there when both sides asked for it; the length tells.
    if (at + length >= i + 2) i += 2;
  }
  if (i > at + length) return false;
  out.dss = bits;
  return true;
}

/**
 * RFC 8684 §3.1 and RFC 6824 §3.1 by length: 4 (v1 SYN), 12 (sender's key), 20 (both keys), 22 and 24 (both keys and
 * the length of first data, 24 with its checksum).
 */
function decodeCapable(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length !== 4 && length !== 12 && length !== 20 && length !== 22 && length !== 24) return false;
  out.capableVersion = view.getUint8(at + 2) & 0x0f;
  out.capableFlags = view.getUint8(at + 3);
  out.senderKeyAt = length >= 12 ? at + 4 : 0;
  out.receiverKeyAt = length >= 20 ? at + 12 : 0;
  if (length >= 22) {
    out.capableMapping = true;
    out.dss = DSS_MAPPING;
    out.ssn = 1;
    out.dataLength = view.getUint16(at + 20);
  }
  return true;
}

/** RFC 8684 §3.2 by length: 12 (SYN: token, nonce), 16 (SYN/ACK: HMAC of 8 octets, nonce), 24 (ACK: HMAC of 20). */
function decodeJoin(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length !== 12 && length !== 16 && length !== 24) return false;
  out.joinLength = length;
  out.joinBackup = (view.getUint8(at + 2) & JOIN_BACKUP) !== 0;
  out.joinAddressId = view.getUint8(at + 3);
  out.joinToken = length === 12 ? view.getUint32(at + 4) : 0;
  out.joinNonce = length === 24 ? 0 : view.getUint32(at + length - 4);
  out.joinHmacAt = length === 12 ? 0 : at + 4;
  return true;
}
