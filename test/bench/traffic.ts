import { Session, Subflow } from "./conversation.ts";
import { newSegment } from "./packet-octets.ts";
import { PacketWriter, type SegmentSink } from "./packet-writer.ts";
import { Pieces } from "./pieces.ts";
import { coprimeStride, Random } from "./random.ts";
import { mayStep, step } from "./steps.ts";

/** What to generate: subflows per session come as 1, 2, 3, 4 in turn, 2.5 on average. */
export interface Workload {
  readonly sessions: number;
  /** Handshake, data and close of one subflow together. */
  readonly packetsPerSubflow: number;
  /** Octets kept of each packet. */
  readonly snap: number;
  readonly seed: number;
  /** Every mapping has a DSS checksum. */
  readonly checksums?: boolean;
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
  /** Mappings with a checksum, those of DATA_FINs among them; absent where none has. */
  readonly checksums?: number;
}

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
  const writer = new PacketWriter(path, workload.snap, MICROS_PER_PACKET, new Pieces(random));
  const sessions = playSessions(workload, random, writer);
  const octets: [number, number] = [0, 0];
  let joined = 0;
  let all = 0;
  let mappings = 0;
  for (const session of sessions) {
    joined += session.subflows.length - 1;
    all += session.subflows.length;
    mappings += session.mappings;
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
    ...(workload.checksums ? { checksums: mappings } : {}),
  };
}

/** Lets sessions send all that they have, from their first SYN to their last ACK; returns them. */
export function playSessions(
  workload: Pick<Workload, "sessions" | "packetsPerSubflow" | "checksums">,
  random: Random,
  sink: SegmentSink,
): readonly Session[] {
  const sessions = makeSessions(workload, random);
  const segment = newSegment();
  let alive = sessions.flatMap((session) => session.subflows);
  for (let round = 0; alive.length > 0; round++) {
    const count = alive.length;
    const stride = coprimeStride(count, random);
    let at = random.below(count);
    for (let i = 0; i < count; i++) {
      const subflow = alive[at] as Subflow;
      if (mayStep(subflow, round)) step(subflow, segment, sink);
      at = (at + stride) % count;
    }
    alive = alive.filter(({ phase }) => phase !== "done");
  }
  return sessions;
}

/** Data segments of a session's subflow of this index, by side. */
export function segmentsOf(
  { packetsPerSubflow }: Pick<Workload, "packetsPerSubflow">,
  index: number,
): readonly [number, number] {
  const { initial, joined } = HANDSHAKE_AND_CLOSE;
  const data = packetsPerSubflow - (index === 0 ? initial : joined);
  return [Math.ceil(data / 2), Math.floor(data / 2)];
}

function makeSessions(
  workload: Pick<Workload, "sessions" | "packetsPerSubflow" | "checksums">,
  random: Random,
): Session[] {
  const spread = workload.packetsPerSubflow / 4;
  return Array.from({ length: workload.sessions }, (_, number) => {
    const session = new Session(number, random, workload.checksums);
    const startRound = Math.floor((number * spread) / workload.sessions);
    for (let index = 0; index <= number % 4; index++) {
      const segments = segmentsOf(workload, index);
      session.subflows.push(new Subflow(session, index, segments, startRound + 3 * index, random));
    }
    return session;
  });
}
