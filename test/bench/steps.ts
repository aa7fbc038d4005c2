import { SEGMENT_OCTETS, type Side, type Subflow } from "./conversation.ts";
import { dss, mpCapable, mpJoin, tcpOptions } from "./options.ts";
import type { Segment } from "./packet-octets.ts";
import type { SegmentSink } from "./packet-writer.ts";

const FIN = 0x01;
const SYN = 0x02;
const PSH = 0x08;
const ACK = 0x10;

/** Joins wait for the session's first data, DATA_FIN for all data, and the FIN of joined subflows for both DATA_FINs. */
export function mayStep(subflow: Subflow, round: number): boolean {
  const { session, phase } = subflow;
  const initial = session.subflows[0];
  if (phase === "syn") {
    return round >= subflow.startRound && (subflow === initial || (initial?.phase === "data" && initial.packets > 4));
  }
  if (phase === "data-fin") return session.subflows.every((other) => other === subflow || other.phase === "fin");
  if (phase === "fin") return session.finished[0] && session.finished[1];
  return true;
}

/** Sends the subflow's next packet. */
export function step(subflow: Subflow, segment: Segment, sink: SegmentSink): void {
  const { phase, index } = subflow;
  const initial = index === 0;
  const begin = (side: Side, flags: number) => beginSegment(subflow, segment, side, flags, sink.micros);
  switch (phase) {
    case "syn":
      begin(0, SYN);
      if (initial) mpCapable(segment, subflow, "none");
      else mpJoin(segment, subflow, "syn");
      subflow.phase = "syn-ack";
      break;
    case "syn-ack":
      begin(1, SYN | ACK);
      if (initial) mpCapable(segment, subflow, "responder");
      else mpJoin(segment, subflow, "syn-ack");
      subflow.phase = "ack";
      break;
    case "ack":
      begin(0, ACK);
      if (initial) mpCapable(segment, subflow, "both");
      else mpJoin(segment, subflow, "ack");
      subflow.phase = initial ? "data" : "fourth-ack";
      break;
    case "fourth-ack":
      begin(1, ACK);
      dss(segment, subflow, 1, "ack");
      subflow.phase = "data";
      break;
    case "data":
      stepData(subflow, segment, sink);
      break;
    case "data-fin":
    case "data-fin-back": {
      const side = phase === "data-fin" ? 0 : 1;
      begin(side, ACK);
      dss(segment, subflow, side, "data-fin", sink.pieces);
      subflow.session.finished[side] = true;
      subflow.session.mappings++;
      subflow.phase = side === 0 ? "data-fin-back" : "data-fin-ack";
      break;
    }
    case "data-fin-ack":
      begin(0, ACK);
      dss(segment, subflow, 0, "ack");
      subflow.phase = "fin";
      break;
    case "fin":
    case "fin-back": {
      const side = phase === "fin" ? 0 : 1;
      begin(side, FIN | ACK);
      dss(segment, subflow, side, "ack");
      subflow.phase = side === 0 ? "fin-back" : "last-ack";
      break;
    }
    default:
      begin(0, ACK);
      dss(segment, subflow, 0, "ack");
      subflow.phase = "done";
  }
  send(subflow, segment, sink);
}

/** Data goes to and fro, the initiator first; its very first segment carries MP_CAPABLE with both keys and a length. */
function stepData(subflow: Subflow, segment: Segment, sink: SegmentSink): void {
  const [initiator, responder] = subflow.senders;
  const side: Side = initiator.segmentsLeft >= responder.segmentsLeft ? 0 : 1;
  const first = side === 0 && subflow.index === 0 && initiator.used === 1;
  subflow.takeSegment(side);
  beginSegment(subflow, segment, side, PSH | ACK, sink.micros);
  const { mappingOffset, mappingSent } = subflow.senders[side];
  segment.piece = subflow.session.pieceAt(side, mappingOffset + mappingSent - SEGMENT_OCTETS);
  if (first) mpCapable(segment, subflow, "both-and-data", sink.pieces);
  else dss(segment, subflow, side, "mapping", sink.pieces);
  if (initiator.segmentsLeft + responder.segmentsLeft === 0) subflow.phase = subflow.index === 0 ? "data-fin" : "fin";
}

function beginSegment(subflow: Subflow, segment: Segment, side: Side, flags: number, micros: number): void {
  const other: Side = side === 0 ? 1 : 0;
  const sender = subflow.senders[side];
  const peer = subflow.senders[other];
  segment.agent = subflow.agent;
  segment.sourceAddress = subflow.address[side];
  segment.destinationAddress = subflow.address[other];
  segment.sourcePort = subflow.port[side];
  segment.destinationPort = subflow.port[other];
  segment.ipId = sender.ipId = (sender.ipId + 1) & 0xffff;
  segment.seq = (sender.isn + sender.used) >>> 0;
  segment.ack = (flags & ACK) === 0 ? 0 : (peer.isn + peer.used) >>> 0;
  segment.flags = flags;
  segment.piece = -1;
  const millis = Math.floor(micros / 1000);
  tcpOptions(segment, (flags & SYN) !== 0, 1_000_000 + millis, (flags & ACK) === 0 ? 0 : 1_000_000 + millis);
  if ((flags & (SYN | FIN)) !== 0) sender.used++;
}

function send(subflow: Subflow, segment: Segment, sink: SegmentSink): void {
  const side: Side = segment.sourcePort === subflow.port[0] && segment.sourceAddress === subflow.address[0] ? 0 : 1;
  if (segment.piece >= 0) subflow.senders[side].used += SEGMENT_OCTETS;
  sink.write(segment);
  subflow.packets++;
}
