import { SEGMENT_OCTETS, SEGMENTS_PER_MAPPING, Session, Subflow } from "../conversation.ts";
import { putDss, tcpOptions } from "../options.ts";
import { newSegment, type Segment } from "../packet-octets.ts";
import type { SegmentSink } from "../packet-writer.ts";
import { coprimeStride, type Random } from "../random.ts";
import { step } from "../steps.ts";
import type { LiveShape } from "./workload.ts";

const PSH_ACK = 0x18;

/**
 * A million sessions in a generator that allocates nothing for them: a session's handshake is that of any generated
 * capture, of which a few numbers are kept, and where its data packets stand follows from their round.
 */
export class LiveSessions {
  readonly subflows: number;
  private readonly shape: LiveShape;
  private readonly random: Random;
  private readonly segment: Segment = newSegment();
  /** Per session, both sides: initial data sequence numbers, two words each. */
  private readonly idsns: Uint32Array;
  /** Per subflow: its session, and both sides' address, port, first sequence number and first identification. */
  private readonly sessionOf: Uint32Array;
  private readonly addresses: Uint32Array;
  private readonly ports: Uint16Array;
  private readonly isns: Uint32Array;
  private readonly ipIds: Uint16Array;
  /** Leads to the holes of a stream in an order that looks like none. */
  private readonly holeStride: number;

  constructor(shape: LiveShape, random: Random) {
    this.shape = shape;
    this.random = random;
    this.subflows = this.firstSubflow(shape.sessions);
    // Filled, so that the memory is there before anybody looks at it.
    this.idsns = new Uint32Array(4 * shape.sessions).fill(1);
    this.sessionOf = new Uint32Array(this.subflows).fill(1);
    this.addresses = new Uint32Array(2 * this.subflows).fill(1);
    this.ports = new Uint16Array(2 * this.subflows).fill(1);
    this.isns = new Uint32Array(2 * this.subflows).fill(1);
    this.ipIds = new Uint16Array(2 * this.subflows).fill(1);
    this.holeStride = coprimeStride(Math.max(shape.holes, 1), random);
  }

  /** The number of a session's initial subflow; its others follow. Of the number after the last: how many there are. */
  firstSubflow(session: number): number {
    const { subflows } = this.shape;
    const inFour = session % 4;
    return subflows === null ? ((session - inFour) / 4) * 10 + (inFour * (inFour + 1)) / 2 : session * subflows;
  }

  /** Sends the handshakes of a session: three packets, and four of each further subflow. */
  setUp(number: number, sink: SegmentSink): void {
    const session = new Session(number, this.random);
    const first = this.firstSubflow(number);
    const count = this.firstSubflow(number + 1) - first;
    for (let index = 0; index < count; index++) {
      const subflow = new Subflow(session, index, [0, 0], 0, this.random);
      session.subflows.push(subflow);
      while (subflow.phase !== "data") step(subflow, this.segment, sink);
      this.sessionOf[first + index] = number;
      for (const side of [0, 1] as const) {
        const at = 2 * (first + index) + side;
        this.addresses[at] = subflow.address[side];
        this.ports[at] = subflow.port[side];
        this.isns[at] = subflow.senders[side].isn;
        this.ipIds[at] = subflow.senders[side].ipId;
      }
    }
    for (const [side, { idsnHigh, idsnLow }] of session.keys.entries()) {
      this.idsns[4 * number + 2 * side] = idsnHigh;
      this.idsns[4 * number + 2 * side + 1] = idsnLow;
    }
  }

  /** Sends a subflow's data packet of a round: of the responder in even ones, for who accepts may send first. */
  send(subflow: number, round: number, sink: SegmentSink): void {
    const { segment, isns } = this;
    const session = this.sessionOf[subflow] ?? 0;
    const [side, other] = round % 2 === 0 ? [1, 0] : [0, 1];
    const [from, to] = [2 * subflow + side, 2 * subflow + other];
    const sent = round >> 1;
    const received = (round + 1) >> 1;
    segment.agent = (subflow - this.firstSubflow(session)) % 2;
    segment.sourceAddress = this.addresses[from] ?? 0;
    segment.destinationAddress = this.addresses[to] ?? 0;
    segment.sourcePort = this.ports[from] ?? 0;
    segment.destinationPort = this.ports[to] ?? 0;
    segment.ipId = ((this.ipIds[from] ?? 0) + sent + 1) & 0xffff;
    segment.seq = ((isns[from] ?? 0) + 1 + sent * SEGMENT_OCTETS) >>> 0;
    segment.ack = ((isns[to] ?? 0) + 1 + received * SEGMENT_OCTETS) >>> 0;
    segment.flags = PSH_ACK;
    const millis = 1_000_000 + Math.floor(sink.micros / 1000);
    tcpOptions(segment, false, millis, millis);
    this.map(session, subflow, side, sent, received);
    sink.write(segment);
  }

  /** Writes the mapping of the segment that a side sends after `sent` others on this subflow, and its payload. */
  private map(session: number, subflow: number, side: number, sent: number, received: number): void {
    const first = this.firstSubflow(session);
    const count = this.firstSubflow(session + 1) - first;
    const { holes } = this.shape;
    // Mappings of one segment where there are holes.
    const segments = holes === 0 ? SEGMENTS_PER_MAPPING : 1;
    const turn = Math.floor(sent / segments) * count + (subflow - first);
    const mapping = holes === 0 ? turn : this.outOfOrder(turn);
    // What is acknowledged are whole turns of all subflows, or whole batches.
    const batch = holes === 0 ? count : 2 * holes;
    const turns = Math.floor(received / segments) * count;
    const acknowledged = (turns - (turns % batch)) * segments * SEGMENT_OCTETS;
    putDss(this.segment, this.idsn(session, 1 - side), acknowledged, {
      idsn: this.idsn(session, side),
      offset: mapping * segments * SEGMENT_OCTETS,
      ssn: 1 + (sent - (sent % segments)) * SEGMENT_OCTETS,
      length: segments * SEGMENT_OCTETS,
      fin: false,
      sum: null,
    });
    this.segment.piece = session + 7 * side + mapping * segments + (sent % segments);
  }

  /** Which segment of the stream is sent as number `turn`. */
  private outOfOrder(turn: number): number {
    const { holes } = this.shape;
    const place = turn % (2 * holes);
    const early = 2 * place + 1;
    const late = 2 * (((place - holes) * this.holeStride) % holes);
    return turn - place + (place < holes ? early : late);
  }

  private idsn(session: number, side: number): { idsnHigh: number; idsnLow: number } {
    const at = 4 * session + 2 * side;
    return { idsnHigh: this.idsns[at] ?? 0, idsnLow: this.idsns[at + 1] ?? 0 };
  }
}
