import { OPTION_MPTCP } from "./tcp.ts";

/** Option subtypes (RFC 8684 §7.2). */
export const MP_CAPABLE = 0;
export const MP_JOIN = 1;
export const DSS = 2;
export const ADD_ADDR = 3;
export const REMOVE_ADDR = 4;
export const MP_PRIO = 5;
export const MP_FAIL = 6;
export const MP_FASTCLOSE = 7;
export const MP_TCPRST = 8;
/** Subtypes below this one have a meaning. */
export const SUBTYPES = 9;
/** For private use: the last subtype. What stands in it is between its users. */
export const MP_EXPERIMENTAL = 15;

/** Flag A of a MP_CAPABLE (RFC 8684 §3.1). */
export const CAPABLE_CHECKSUM = 0x80;

/** Lengths of a MP_JOIN (RFC 8684 §3.2): with token and nonce; with the HMAC's first 8 octets and a nonce; with its first 20. */
export const JOIN_SYN_LENGTH = 12;
export const JOIN_SYN_ACK_LENGTH = 16;
export const JOIN_ACK_LENGTH = 24;

/** Bits of a DSS (RFC 8684 §3.3). */
export const DSS_ACK = 0x01;
export const DSS_ACK_64 = 0x02;
export const DSS_MAPPING = 0x04;
export const DSS_DSN_64 = 0x08;
export const DSS_DATA_FIN = 0x10;

/** Subtypes that a segment has once at most; addresses are advertised several at a time, and what no RFC knows says nothing. */
const ONCE =
  (1 << MP_CAPABLE) |
  (1 << MP_JOIN) |
  (1 << DSS) |
  (1 << MP_PRIO) |
  (1 << MP_FAIL) |
  (1 << MP_FASTCLOSE) |
  (1 << MP_TCPRST);

/** The low nibble after the subtype of MP_JOIN and MP_PRIO: backup (RFC 8684 §3.2, §3.3.8). */
const BACKUP = 0x01;

/** Address of 4 or 16 octets, with or without a port, with or without the HMAC of version 1 (RFC 8684, 6824 §3.4.1). */
const ADD_ADDR_LENGTHS: readonly number[] = [8, 10, 16, 18, 20, 22, 28, 30];

/**
 * What stands in fields of 32 bits before anything was decoded: more than a small integer, so that V8 keeps doubles there
 * from the beginning, and has no code to throw away when the first large number comes.
 */
const NO_WORD = 0xffff_ffff;

/**
 * The MPTCP options of one segment, decoded in place: numbers, and `...At` fields that say where in the block longer
 * values lie (0: absent). One object serves all packets. Of options of one subtype the last is kept, as Linux does (no RFC
 * says which); `eachOption` finds the others, such as a second ADD_ADDR.
 */
export class MptcpOptions {
  /** Bit n: subtype n was there with a legal length; subtypes that no RFC knows have any. */
  seen = 0;
  /** Options whose length is none that their subtype may have, leaves no room for the next one, or runs past the header. */
  malformed = 0;
  /** Options whose subtype had been there already, of those that a segment has once: hosts differ in which one they take. */
  repeated = 0;
  /** Bit n: the copy was cut inside an option of subtype n. */
  unfinished = 0;

  capableVersion = 0;
  capableFlags = 0;
  /** The sender's key and, in the third ACK and with first data, the receiver's: 8 octets each. */
  senderKeyAt = 0;
  receiverKeyAt = 0;

  /** MP_JOIN's length, a `JOIN_..._LENGTH`. */
  joinLength = 0;
  joinBackup = false;
  joinAddressId = 0;
  joinToken = NO_WORD;
  joinNonce = NO_WORD;
  /** 8 octets in a SYN/ACK, 20 in the third ACK. */
  joinHmacAt = 0;

  /** DSS_ bits; a MP_CAPABLE with a data length counts as a mapping (RFC 8684 §3.1). */
  dss = 0;
  dsnHi = NO_WORD;
  dsnLo = NO_WORD;
  /** Relative subflow sequence number at which the mapping begins. */
  ssn = NO_WORD;
  /** Data-level length; 0 is an infinite mapping (RFC 8684 §3.7). */
  dataLength = 0;
  /** The mapping's DSS checksum; -1 when the option has none. */
  checksum = -1;
  /** True when the mapping came in a MP_CAPABLE: it lies at IDSN + 1, which the option does not say. */
  capableMapping = false;

  /** MP_PRIO: whether the subflow is to be a backup; in version 0 it may name another by its address id (-1: this one). */
  prioBackup = false;
  prioAddressId = -1;

  /** MP_FAIL: the data sequence number at which the mapping with the wrong checksum begins. */
  failDsnHi = NO_WORD;
  failDsnLo = NO_WORD;

  /** MP_FASTCLOSE: the receiver's key. */
  fastcloseKeyAt = 0;

  /** MP_TCPRST: the flags U, V, W and T (transient, the lowest bit), and the reason. */
  resetFlags = 0;
  resetReason = 0;
}

/**
 * Decodes the MPTCP options among the TCP options from `at` (the first MPTCP one) to `end`. One whose length its subtype
 * cannot have is counted and stepped over; one that is cut, or too short to be any, ends the walk. Those before it are
 * kept. `isCut` says that the header went on behind `end` where it was captured.
 */
export function decodeMptcp(view: DataView, at: number, end: number, isCut: boolean, out: MptcpOptions): void {
  out.seen = 0;
  out.malformed = 0;
  out.repeated = 0;
  out.unfinished = 0;
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
    if (length < 2 || i + length > end) {
      if (kind === OPTION_MPTCP) noteUnfinished(view, i, end, length, isCut, out);
      return;
    }
    if (kind === OPTION_MPTCP) {
      if (length < 3) {
        out.malformed++;
        return;
      }
      const subtype = view.getUint8(i + 2) >> 4;
      if (!decodeSubtype(view, i, length, subtype, out)) out.malformed++;
      else {
        if ((out.seen & ONCE & (1 << subtype)) !== 0) out.repeated++;
        out.seen |= 1 << subtype;
      }
    }
    i += length;
  }
}

/**
 * An MPTCP option that runs past the end, of a whole header or of a cut one: of that its subtype is told where it is
 * still there, and a length that can be none.
 */
function noteUnfinished(
  view: DataView,
  at: number,
  end: number,
  length: number,
  isCut: boolean,
  out: MptcpOptions,
): void {
  if (!isCut || (at + 1 < end && length < 3)) out.malformed++;
  else if (at + 2 < end) out.unfinished |= 1 << (view.getUint8(at + 2) >> 4);
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
    case ADD_ADDR:
      return ADD_ADDR_LENGTHS.includes(length);
    case REMOVE_ADDR:
      // RFC 8684 §3.4.2: one octet for each address id.
      return length >= 4;
    case MP_PRIO:
      return decodePrio(view, at, length, out);
    case MP_FAIL:
      // RFC 8684 §3.7.
      if (length !== 12) return false;
      out.failDsnHi = view.getUint32(at + 4);
      out.failDsnLo = view.getUint32(at + 8);
      return true;
    case MP_FASTCLOSE:
      // RFC 8684 §3.5.
      out.fastcloseKeyAt = at + 4;
      return length === 12;
    case MP_TCPRST:
      // RFC 8684 §3.6.
      if (length !== 4) return false;
      out.resetFlags = view.getUint8(at + 2) & 0x0f;
      out.resetReason = view.getUint8(at + 3);
      return true;
    default:
      return true;
  }
}

/** RFC 8684 §3.3.8: 3 octets; RFC 6824 §3.3.8 allows a fourth that names another subflow by an address id. */
function decodePrio(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length !== 3 && length !== 4) return false;
  out.prioBackup = (view.getUint8(at + 2) & BACKUP) !== 0;
  out.prioAddressId = length === 4 ? view.getUint8(at + 3) : -1;
  return true;
}

/**
 * RFC 8684 §3.3.1: flags, then data ACK of 0, 4 or 8 octets, then DSN of 4 or 8, subflow sequence, length, and where
 * both sides asked for it a checksum of 2. Receivers ignore a DSS of any other length, so an observer must.
 */
function decodeDss(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length < 4) return false;
  const bits = view.getUint8(at + 3) & 0x1f;
  const mappingAt = at + 4 + (bits & DSS_ACK ? (bits & DSS_ACK_64 ? 8 : 4) : 0);
  const wide = (bits & DSS_DSN_64) !== 0;
  const rest = at + length - mappingAt - (bits & DSS_MAPPING ? (wide ? 14 : 10) : 0);
  if (rest !== 0 && rest !== 2) return false;
  if (bits & DSS_MAPPING) {
    const lowAt = wide ? mappingAt + 4 : mappingAt;
    out.dsnHi = wide ? view.getUint32(mappingAt) : 0;
    out.dsnLo = view.getUint32(lowAt);
    out.ssn = view.getUint32(lowAt + 4);
    out.dataLength = view.getUint16(lowAt + 8);
    out.checksum = rest === 2 ? view.getUint16(lowAt + 10) : -1;
    out.capableMapping = false;
  }
  out.dss = out.capableMapping ? bits | DSS_MAPPING : bits;
  return true;
}

/**
 * RFC 8684 §3.1 and RFC 6824 §3.1 by length: 4 (v1 SYN), 12 (sender's key), 20 (both keys), 22 and 24 (both keys and
 * the length of first data, 24 with its checksum). Of other versions only the beginning is known.
 */
function decodeCapable(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length < 4) return false;
  const version = view.getUint8(at + 2) & 0x0f;
  const isKnown = version <= 1;
  if (isKnown && length !== 4 && length !== 12 && length !== 20 && length !== 22 && length !== 24) return false;
  out.capableVersion = version;
  out.capableFlags = view.getUint8(at + 3);
  out.senderKeyAt = isKnown && length >= 12 ? at + 4 : 0;
  out.receiverKeyAt = isKnown && length >= 20 ? at + 12 : 0;
  if (isKnown && length >= 22 && (out.capableMapping || (out.dss & DSS_MAPPING) === 0)) {
    out.capableMapping = true;
    out.dss |= DSS_MAPPING;
    out.ssn = 1;
    out.dataLength = view.getUint16(at + 20);
    out.checksum = length === 24 ? view.getUint16(at + 22) : -1;
  }
  return true;
}

/** RFC 8684 §3.2 by length. */
function decodeJoin(view: DataView, at: number, length: number, out: MptcpOptions): boolean {
  if (length !== JOIN_SYN_LENGTH && length !== JOIN_SYN_ACK_LENGTH && length !== JOIN_ACK_LENGTH) return false;
  out.joinLength = length;
  out.joinBackup = (view.getUint8(at + 2) & BACKUP) !== 0;
  out.joinAddressId = view.getUint8(at + 3);
  out.joinToken = length === JOIN_SYN_LENGTH ? view.getUint32(at + 4) : 0;
  out.joinNonce = length === JOIN_ACK_LENGTH ? 0 : view.getUint32(at + length - 4);
  out.joinHmacAt = length === JOIN_SYN_LENGTH ? 0 : at + 4;
  return true;
}
