import { SEGMENT_OCTETS, type Side, type Subflow } from "./conversation.ts";
import { checksum, type Segment, sum16 } from "./packet-octets.ts";
import type { Pieces } from "./pieces.ts";

const MPTCP = 30;
/** DSS flags, RFC 8684 section 3.3.1: data ACK present and 8 octets, mapping present and 8 octets, DATA_FIN. */
const ACK_64 = 0x03;
const MAP_64 = 0x0c;
const DATA_FIN = 0x10;
/** MP_CAPABLE flags, section 3.1: A and H. */
const CHECKSUM_REQUIRED = 0x80;
const HMAC_SHA256 = 0x01;
/** The pseudo-header of a DSS checksum, section 3.3.1, but for the zeros in the checksum's place. */
const PSEUDO = new DataView(new ArrayBuffer(14));

/** Begins a segment's options: on a SYN the usual ones, else two NOPs and timestamps. */
export function tcpOptions(segment: Segment, syn: boolean, timestamp: number, echo: number): void {
  const { optionsView: view } = segment;
  if (syn) {
    view.setUint32(0, 0x020405b4); // MSS 1460
    view.setUint32(4, 0x0402080a); // SACK permitted, then timestamps
    view.setUint32(8, timestamp);
    view.setUint32(12, echo);
    view.setUint32(16, 0x01030307); // window scale 7
    segment.optionsLength = 20;
  } else {
    view.setUint32(0, 0x0101080a);
    view.setUint32(4, timestamp);
    view.setUint32(8, echo);
    segment.optionsLength = 12;
  }
}

/** Leaves room for an option of `length` octets, padded with NOPs to a multiple of 4, and writes its first three. */
function open(segment: Segment, length: number, third: number): number {
  const at = segment.optionsLength;
  segment.optionsLength += (length + 3) & ~3;
  segment.options.fill(1, at + length, segment.optionsLength);
  segment.options[at] = MPTCP;
  segment.options[at + 1] = length;
  segment.options[at + 2] = third;
  return at;
}

/** MP_CAPABLE, RFC 8684 section 3.1: version 1, HMAC-SHA256, with so many keys, and data length when it maps data. */
export function mpCapable(
  segment: Segment,
  subflow: Subflow,
  keys: "none" | "responder" | "both" | "both-and-data",
  pieces?: Pieces,
): void {
  const { session } = subflow;
  const mapping = keys === "both-and-data";
  const length = { none: 4, responder: 12, both: 20, "both-and-data": session.checksums ? 24 : 22 }[keys];
  const at = open(segment, length, 0x01);
  segment.options[at + 3] = session.checksums ? CHECKSUM_REQUIRED | HMAC_SHA256 : HMAC_SHA256;
  const [initiator, responder] = session.keys;
  if (keys === "responder") segment.options.set(responder.octets, at + 4);
  else if (keys !== "none") {
    segment.options.set(initiator.octets, at + 4);
    segment.options.set(responder.octets, at + 12);
  }
  if (!mapping) return;
  segment.optionsView.setUint16(at + 20, SEGMENT_OCTETS);
  if (!session.checksums) return;
  // It maps the first octet of the stream, which is the first of the subflow, and states neither.
  setDsn(PSEUDO, 0, initiator, 0);
  PSEUDO.setUint32(8, 1);
  PSEUDO.setUint16(12, SEGMENT_OCTETS);
  const sum = pieces?.sum(session.pieceAt(0, 0)) ?? 0;
  segment.optionsView.setUint16(at + 22, checksum(sum16(PSEUDO, 0, PSEUDO.byteLength) + sum));
}

/** MP_JOIN of the SYN (token, nonce), the SYN/ACK (64 bits of HMAC, nonce) or the ACK (160 bits of HMAC), section 3.2. */
export function mpJoin(segment: Segment, subflow: Subflow, step: "syn" | "syn-ack" | "ack"): void {
  const { session } = subflow;
  const at = open(segment, { syn: 12, "syn-ack": 16, ack: 24 }[step], 0x10);
  segment.options[at + 3] = step === "ack" ? 0 : subflow.index;
  if (step === "syn") {
    segment.optionsView.setUint32(at + 4, session.keys[1].token);
    segment.options.set(subflow.senders[0].nonce, at + 8);
  } else if (step === "syn-ack") {
    segment.options.set(session.joinHmac(1, subflow).subarray(0, 8), at + 4);
    segment.options.set(subflow.senders[1].nonce, at + 12);
  } else {
    segment.options.set(session.joinHmac(0, subflow).subarray(0, 20), at + 4);
  }
}

/** DSS, section 3.3.1, with a 64-bit data ACK and, where asked for, the side's current mapping or its DATA_FIN. */
export function dss(
  segment: Segment,
  subflow: Subflow,
  side: Side,
  what: "ack" | "mapping" | "data-fin",
  pieces?: Pieces,
): void {
  const { session } = subflow;
  const other: Side = side === 0 ? 1 : 0;
  const acknowledged = session.received(other) + (session.finished[other] ? 1 : 0);
  if (what === "ack") {
    putDss(segment, session.keys[other], acknowledged);
    return;
  }
  const { mappingOffset, mappingSsn, mappingLength } = subflow.senders[side];
  const fin = what === "data-fin";
  const offset = fin ? session.scheduled[side] : mappingOffset;
  const sum = fin ? 0 : (pieces?.sum(session.pieceAt(side, offset), mappingLength / SEGMENT_OCTETS) ?? 0);
  putDss(segment, session.keys[other], acknowledged, {
    ...{ idsn: session.keys[side], offset, ssn: fin ? 0 : mappingSsn, length: fin ? 1 : mappingLength, fin },
    sum: session.checksums ? sum : null,
  });
}

/** An initial data sequence number, in two words. */
interface Idsn {
  readonly idsnHigh: number;
  readonly idsnLow: number;
}

/** What a DSS option maps: `length` octets from this stream offset and subflow sequence number. */
interface Mapped {
  readonly idsn: Idsn;
  readonly offset: number;
  readonly ssn: number;
  readonly length: number;
  readonly fin: boolean;
  /** The sum of its octets' 16-bit words; null without a checksum. */
  readonly sum: number | null;
}

/** Writes a DSS option: the octets before offset `acknowledged` of the other side's stream have come. */
export function putDss(segment: Segment, other: Idsn, acknowledged: number, mapped?: Mapped): void {
  const at = open(segment, mapped === undefined ? 12 : mapped.sum === null ? 26 : 28, 0x20);
  const { options, optionsView } = segment;
  options[at + 3] = ACK_64 | (mapped === undefined ? 0 : MAP_64) | (mapped?.fin ? DATA_FIN : 0);
  setDsn(optionsView, at + 4, other, acknowledged);
  if (mapped === undefined) return;
  setDsn(optionsView, at + 12, mapped.idsn, mapped.offset);
  optionsView.setUint32(at + 20, mapped.ssn);
  optionsView.setUint16(at + 24, mapped.length);
  // What a mapping states lies in the option as in the pseudo-header.
  if (mapped.sum !== null) optionsView.setUint16(at + 26, checksum(sum16(optionsView, at + 12, 14) + mapped.sum));
}

/** The data sequence number of a stream offset: the octet after the IDSN has offset 0. */
function setDsn(view: DataView, at: number, idsn: Idsn, offset: number): void {
  const low = idsn.idsnLow + 1 + offset;
  view.setUint32(at, (idsn.idsnHigh + Math.floor(low / 2 ** 32)) >>> 0);
  view.setUint32(at + 4, low >>> 0);
}
