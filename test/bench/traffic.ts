import { SEGMENT_OCTETS, Session, type Side, Subflow } from "./conversation.ts";
import { dss, mpCapable, mpJoin, tcpOptions } from "./options.ts";
import { PacketWriter, type Segment } from "./packet-writer.ts";
import { Random } from "./random.ts";

/** What to generate: subflows per session come as 1, 2, 3, 4 in turn, 2.5 on average. */
export interface Workload {
  readonly sessions: number;
  /** Handshake, data and close of one subflow together. */
  readonly packetsPerSubflow: number;
  /** Octets kept of each packet. */
  readonly snap: number;
  readonly seed: number;
}

/** What is in a generated file, for checking whoever reads it. */
export interface Truth {
  readonly packets: number;
  readonly packetsByAgent: readonly [number, number];
  readonly fileOctets: number;
  readonly sessions: number;
  readonly subflows: { readonly initial: number; readonly joined: number };
  /** Stream octets of all sessions, by side, and how many of both were cut off. */
  readonly octets: { readonly initiator: number; readonly responder: number; readonly missing: number };
}

const FIN = 0x01;
const SYN = 0x02;
const PSH = 0x08;
const ACK = 0x10;
const MICROS_PER_PACKET = 2;
const HANDSHAKE_AND_CLOSE = { initial: 9, joined: 7 };

/**
 * Writes a pcap file of MPTCP version 1 sessions. In each round every subflow sends one packet, in an order that differs
 * from round to round, so that all sessions are alive at once and neighbours in the file have nothing to do with each
 * other. Sessions begin over the first quarter of the rounds and so end over the last. Throws where the file cannot be
 * written.
 */
export function writeTraffic(path: string, workload: Workload): Truth {
  const random = new Random(workload.seed);
  const writer = new PacketWriter(path, workload.snap, MICROS_PER_PACKET, random);
  const sessions = makeSessions(workload, random);
  const segment = newSegment();
  const octets: [number, number] = [0, 0];
  let joined = 0;
  for (const { subflows } of sessions) joined += subflows.length - 1;

  let alive = sessions.flatMap((session) => session.subflows);
  const all = alive.length;
  for (let round = 0; alive.length > 0; round++) {
    const count = alive.length;
    const stride = coprimeStride(count, random);
    let at = random.below(count);
    for (let i = 0; i < count; i++) {
      const subflow = alive[at] as Subflow;
      if (mayStep(subflow, round)) step(subflow, segment, writer);
      at = (at + stride) % count;
    }
    alive = alive.filter(({ phase }) => phase !== "done");
  }
  for (const session of sessions) {
    octets[0] += session.scheduled[0];
    octets[1] += session.scheduled[1];
  }
  const fileOctets = writer.close();
  const [first, second] = writer.packets;
  return {
    packets: first + second,
    packetsByAgent: [first, second],
    fileOctets,
    sessions: sessions.length,
    subflows: { initial: all - joined, joined },
    octets: { initiator: octets[0], responder: octets[1], missing: writer.cutOctets },
  };
}

function makeSessions(workload: Workload, random: Random): Session[] {
  const spread = workload.packetsPerSubflow / 4;
  return Array.from({ length: workload.sessions }, (_, number) => {
    const session = new Session(number, random);
    const startRound = Math.floor((number * spread) / workload.sessions);
    for (let index = 0; index <= number % 4; index++) {
      const { initial, joined } = HANDSHAKE_AND_CLOSE;
      const data = workload.packetsPerSubflow - (index === 0 ? initial : joined);
      const segments = [Math.ceil(data / 2), Math.floor(data / 2)] as const;
      session.subflows.push(new Subflow(session, index, segments, startRound + 3 * index, random));
    }
    return session;
  });
}

function newSegment(): Segment {
  const options = new Uint8Array(40);
  return {
    agent: 0,
    sourceAddress: 0,
    destinationAddress: 0,
    sourcePort: 0,
    destinationPort: 0,
    ipId: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    options,
    optionsView: new DataView(options.buffer),
    optionsLength: 0,
    piece: -1,
  };
}

/** A step that visits every index of `count` once before it repeats. */
function coprimeStride(count: number, random: Random): number {
  const greatest = (a: number, b: number): number => (b === 0 ? a : greatest(b, a % b));
  let stride = 1 + random.below(count);
  while (greatest(stride, count) !== 1) stride++;
  return stride;
}

/** Joins wait for the session's first data, DATA_FIN for all data, and the FIN of joined subflows for both DATA_FINs. */
function mayStep(subflow: Subflow, round: number): boolean {
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
function step(subflow: Subflow, segment: Segment, writer: PacketWriter): void {
  const { phase, index } = subflow;
  const initial = index === 0;
  const begin = (side: Side, flags: number) => beginSegment(subflow, segment, side, flags, writer.micros);
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
      stepData(subflow, segment, writer);
      break;
    case "data-fin":
    case "data-fin-back": {
      const side = phase === "data-fin" ? 0 : 1;
      begin(side, ACK);
      dss(segment, subflow, side, "data-fin");
      subflow.session.finished[side] = true;
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
  send(subflow, segment, writer);
}

/** Data goes to and fro, the initiator first; its very first segment carries MP_CAPABLE with both keys and a length. */
function stepData(subflow: Subflow, segment: Segment, writer: PacketWriter): void {
  const [initiator, responder] = subflow.senders;
  const side: Side = initiator.segmentsLeft >= responder.segmentsLeft ? 0 : 1;
  const first = side === 0 && subflow.index === 0 && initiator.used === 1;
  subflow.takeSegment(side);
  beginSegment(subflow, segment, side, PSH | ACK, writer.micros);
  const { mappingOffset, mappingSent } = subflow.senders[side];
  segment.piece = subflow.session.number + 7 * side + (mappingOffset + mappingSent) / SEGMENT_OCTETS - 1;
  if (first) mpCapable(segment, subflow, "both-and-data");
  else dss(segment, subflow, side, "mapping");
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

function send(subflow: Subflow, segment: Segment, writer: PacketWriter): void {
  const side: Side = segment.sourcePort === subflow.port[0] && segment.sourceAddress === subflow.address[0] ? 0 : 1;
  if (segment.piece >= 0) subflow.senders[side].used += SEGMENT_OCTETS;
  writer.write(segment);
  subflow.packets++;
}
