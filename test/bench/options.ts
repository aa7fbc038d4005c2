import { SEGMENT_OCTETS, type Side, type Subflow } from "./conversation.ts";
import type { Segment } from "./packet-writer.ts";

const MPTCP = 30;
/** DSS flags, RFC 8684 section 3.3.1: data ACK present and 8 octets, mapping present and 8 octets, DATA_FIN. */
const ACK_64 = 0x03;
const MAP_64 = 0x0c;
const DATA_FIN = 0x10;

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

/** MP_CAPABLE, RFC 8684 section 3.1: version 1, HMAC-SHA256, no checksums, with so many keys, and data length when it maps data. */
export function mpCapable(
  segment: Segment,
  subflow: Subflow,
  keys: "none" | "responder" | "both" | "both-and-data",
): void {
  const length = { none: 4, responder: 12, both: 20, "both-and-data": 22 }[keys];
  const at = open(segment, length, 0x01);
  segment.options[at + 3] = 0x01;
  const [initiator, responder] = subflow.session.keys;
  if (keys === "responder") segment.options.set(responder.octets, at + 4);
  else if (keys !== "none") {
    segment.options.set(initiator.octets, at + 4);
    segment.options.set(responder.octets, at + 12);
  }
  if (keys === "both-and-data") segment.optionsView.setUint16(at + 20, SEGMENT_OCTETS);
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
export function dss(segment: Segment, subflow: Subflow, side: Side, what: "ack" | "mapping" | "data-fin"): void {
  const { session } = subflow;
  const other: Side = side === 0 ? 1 : 0;
  const mapping = what !== "ack";
  const at = open(segment, mapping ? 26 : 12, 0x20);
  segment.options[at + 3] = ACK_64 | (mapping ? MAP_64 : 0) | (what === "data-fin" ? DATA_FIN : 0);
  setDsn(segment, at + 4, session.keys[other], session.received(other) + (session.finished[other] ? 1 : 0));
  if (!mapping) return;
  const sender = subflow.senders[side];
  const fin = what === "data-fin";
  setDsn(segment, at + 12, session.keys[side], fin ? session.scheduled[side] : sender.mappingOffset);
  segment.optionsView.setUint32(at + 20, fin ? 0 : sender.mappingSsn);
  segment.optionsView.setUint16(at + 24, fin ? 1 : sender.mappingLength);
}

/** The data sequence number of a stream offset: the octet after the IDSN has offset 0. */
function setDsn(segment: Segment, at: number, key: { idsnHigh: number; idsnLow: number }, offset: number): void {
  const low = key.idsnLow + 1 + offset;
  segment.optionsView.setUint32(at, (key.idsnHigh + Math.floor(low / 2 ** 32)) >>> 0);
  segment.optionsView.setUint32(at + 4, low >>> 0);
}
