import { createHash, createHmac } from "node:crypto";
import type { Random } from "./random.ts";

/** 0 is the initiator of the session, 1 the responder. */
export type Side = 0 | 1;

/**
 * TCP payload of every data segment: with Ethernet, IPv4, GRE, IPv4, TCP, timestamps and a full DSS this is 1,446 octets.
 */
export const SEGMENT_OCTETS = 1320;
/** Segments that one DSS mapping covers; Linux repeats the mapping on each of them. */
export const SEGMENTS_PER_MAPPING = 4;

/** An MPTCP key and what RFC 8684 section 3.2 derives from it with SHA-256. */
export interface Key {
  readonly octets: Uint8Array;
  readonly token: number;
  readonly idsnHigh: number;
  readonly idsnLow: number;
}

function keyOf(octets: Uint8Array): Key {
  const hash = createHash("sha256").update(octets).digest();
  return { octets, token: hash.readUInt32BE(0), idsnHigh: hash.readUInt32BE(24), idsnLow: hash.readUInt32BE(28) };
}

/** What one side has sent on one subflow. */
export class Sender {
  readonly isn: number;
  readonly nonce: Uint8Array;
  /** Octets of sequence space used, the SYN included: the next segment's relative subflow sequence number. */
  used = 0;
  ipId: number;
  /** Data segments that are still to be sent. */
  segmentsLeft: number;
  /** Stream offset, subflow sequence number and octets of the mapping in use, and how many of them were sent. */
  mappingOffset = 0;
  mappingSsn = 0;
  mappingLength = 0;
  mappingSent = 0;

  constructor(random: Random, segments: number) {
    this.isn = random.uint32();
    this.nonce = random.octets(4);
    this.ipId = random.below(65536);
    this.segmentsLeft = segments;
  }
}

/** One TCP flow of a session, as the schedule leads it from its SYN to its last ACK. */
export class Subflow {
  readonly session: Session;
  /** 0 is the initial subflow. */
  readonly index: number;
  /** IPv4 addresses as uint32, by side. */
  readonly address: readonly [number, number];
  readonly port: readonly [number, number];
  readonly senders: readonly [Sender, Sender];
  /** Which agent copies it. */
  readonly agent: number;
  /** Packets of this subflow so far. */
  packets = 0;
  /** The round of the schedule in which it may begin. */
  readonly startRound: number;
  phase: Phase = "syn";

  constructor(
    session: Session,
    index: number,
    segments: readonly [number, number],
    startRound: number,
    random: Random,
  ) {
    this.session = session;
    this.index = index;
    const host = session.number & 0xffffff;
    this.address = [((10 << 24) | (((index + 1) << 20) + host)) >>> 0, (0xcb007100 | (1 + (session.number % 8))) >>> 0];
    this.port = [32768 + random.below(28000), 443];
    this.senders = [new Sender(random, segments[0]), new Sender(random, segments[1])];
    this.agent = index % 2;
    this.startRound = startRound;
  }

  /** Takes the next data segment of a side: begins a new mapping where the last is used up. */
  takeSegment(side: Side): void {
    const sender = this.senders[side];
    if (sender.mappingSent === sender.mappingLength) {
      // The first mapping of a session is the MP_CAPABLE with data, which covers that one segment.
      const most = this.index === 0 && side === 0 && sender.used === 1 ? 1 : SEGMENTS_PER_MAPPING;
      sender.mappingOffset = this.session.scheduled[side];
      sender.mappingSsn = sender.used;
      sender.mappingLength = Math.min(most, sender.segmentsLeft) * SEGMENT_OCTETS;
      sender.mappingSent = 0;
      this.session.scheduled[side] += sender.mappingLength;
      this.session.mappings++;
    }
    sender.mappingSent += SEGMENT_OCTETS;
    sender.segmentsLeft--;
  }
}

/** Where a subflow stands; each packet takes it one step, `data` is many packets long. */
export type Phase =
  | "syn"
  | "syn-ack"
  | "ack"
  | "fourth-ack"
  | "data"
  | "data-fin"
  | "data-fin-back"
  | "data-fin-ack"
  | "fin"
  | "fin-back"
  | "last-ack"
  | "done";

/** A session: keys, subflows, and how much of each stream was handed to subflows. */
export class Session {
  readonly number: number;
  readonly keys: readonly [Key, Key];
  readonly subflows: Subflow[] = [];
  /** Octets of each side's stream that lie in a mapping already. */
  readonly scheduled: [number, number] = [0, 0];
  /** Sides whose DATA_FIN was sent. */
  readonly finished: [boolean, boolean] = [false, false];
  /** Mappings of both sides so far, those of a DATA_FIN among them. */
  mappings = 0;
  /** Every mapping has a checksum (RFC 8684 section 3.3.1). */
  readonly checksums: boolean;

  constructor(number: number, random: Random, checksums = false) {
    this.number = number;
    this.checksums = checksums;
    this.keys = [keyOf(random.octets(8)), keyOf(random.octets(8))];
  }

  /** Which piece of payload lies at an offset of a side's stream, a multiple of SEGMENT_OCTETS. */
  pieceAt(side: Side, offset: number): number {
    return this.number + 7 * side + offset / SEGMENT_OCTETS;
  }

  /** Stream octets of a side that the other side has without a hole. */
  received(side: Side): number {
    let least = this.scheduled[side];
    for (const { senders } of this.subflows) {
      const { mappingOffset, mappingLength, mappingSent } = senders[side];
      if (mappingSent < mappingLength) least = Math.min(least, mappingOffset + mappingSent);
    }
    return least;
  }

  /** RFC 8684 section 3.2: the HMAC by which `side` proves on a joined subflow that it knows both keys; 32 octets. */
  joinHmac(side: Side, subflow: Subflow): Uint8Array {
    const other: Side = side === 0 ? 1 : 0;
    return createHmac("sha256", Buffer.concat([this.keys[side].octets, this.keys[other].octets]))
      .update(subflow.senders[side].nonce)
      .update(subflow.senders[other].nonce)
      .digest();
  }
}
