import type { Random } from "../../bench/random.ts";
import { ACK, type Endpoint, FIN, option, PSH, RST, SYN } from "../packets.ts";
import type { Statement } from "./identity.ts";
import type { Mapping, Packet, Path } from "./network.ts";
import type { Side } from "./plan.ts";
import type { Timeline } from "./timeline.ts";

const NOTHING = new Uint8Array(0);
/** Segments under way at a time. */
const WINDOW = 12;
const FIRST_RTO_MICROS = 250_000;
const MAX_TRIES = 9;
const DELAYED_ACK_MICROS = 40_000;

/** What a TCP connection's end asks of the host it belongs to. */
export interface SubflowOwner {
  readonly timeline: Timeline;
  readonly random: Random;
  /** Options of a SYN, SYN/ACK or third ACK. */
  handshake(end: SubflowEnd, segment: "syn" | "syn-ack" | "ack"): Statement;
  /** Options of any other segment, perhaps with a mapping. */
  statement(mapping?: Mapping): Statement;
  /** Octets that a SYN carries. */
  synOctets(end: SubflowEnd): Uint8Array;
  /** A SYN has come with these octets; returns how many are taken. */
  tookSyn(end: SubflowEnd, octets: Uint8Array): number;
  /** A segment has come: its options and payload. */
  took(end: SubflowEnd, packet: Packet): void;
  /** Room for more, or a change of state. */
  changed(end: SubflowEnd): void;
  nextIpId(): number;
}

/** How an end is made. */
export interface EndShape {
  readonly session: number;
  readonly number: number;
  readonly side: Side;
  readonly opener: Side;
  readonly path: Path;
  readonly own: Endpoint;
  readonly peer: Endpoint;
  readonly isn: number;
  readonly nonce: number;
  readonly isBackup: boolean;
  readonly timestamps: boolean;
}

/** Something that is sent until it is acknowledged. */
interface Piece {
  readonly ssn: number;
  readonly payload: Uint8Array;
  readonly flags: number;
  /** Place in the sender's stream, -1 for none. */
  readonly offset: number;
  readonly tag: string | null;
  readonly state: () => Statement;
  tries: number;
}

/** One host's end of a TCP connection: handshake, acknowledgements, retransmission, close. Knows mappings only to carry them. */
export class SubflowEnd {
  readonly shape: EndShape;
  /** The host may send data here. */
  isReady = false;
  isDead = false;
  isFinished = false;
  hasPeersFin = false;
  peerNonce = 0;
  /** The handshake's last segment is known to have arrived. */
  isConfirmed = false;
  private readonly owner: SubflowOwner;
  /** Sequence numbers count from these: initial ones, or with a SYN's octets the last of them that was taken. */
  private isn: number;
  private peerIsn = -1;
  private next = 0;
  private flight: Piece[] = [];
  private received = 0;
  private ranges: [from: number, to: number][] = [];
  private finAt = -1;
  private isAckDue = false;

  constructor(owner: SubflowOwner, shape: EndShape) {
    this.owner = owner;
    this.shape = shape;
    this.isn = shape.isn;
  }

  get isOpener(): boolean {
    return this.shape.side === this.shape.opener;
  }

  get hasRoom(): boolean {
    return this.isReady && !this.isFinished && !this.isDead && this.flight.length < WINDOW;
  }

  get isIdle(): boolean {
    return this.flight.length === 0;
  }

  /** Reset, or ended by both sides. */
  get isClosed(): boolean {
    return this.isDead || (this.isFinished && this.hasPeersFin && this.isIdle);
  }

  /** Relative sequence number of the next octet. */
  get nextSsn(): number {
    return this.next;
  }

  /** Relative sequence number of the first octet that was not acknowledged. */
  get unacked(): number {
    return this.flight[0]?.ssn ?? this.next;
  }

  /** The peer's initial sequence number. */
  get peerSequence(): number {
    return this.peerIsn;
  }

  /** Sends the SYN. */
  open(): void {
    this.enqueue(NOTHING, SYN, -1, "syn", () => this.owner.handshake(this, "syn"));
  }

  /** Sends mapped octets of the host's stream, in segments of `mss`; `carries` says which of them state the mapping. */
  sendMapped(mapping: Mapping, payload: Uint8Array, mss: number, carries: (n: number, last: number) => boolean): void {
    const last = Math.ceil(payload.length / mss) - 1;
    for (let n = 0; n <= last; n++) {
      const stated = carries(n, last) ? mapping : undefined;
      const octets = payload.subarray(n * mss, (n + 1) * mss);
      this.enqueue(octets, ACK | (n === last ? PSH : 0), mapping.offset + n * mss, null, () =>
        this.owner.statement(stated),
      );
    }
  }

  /** Sends a segment without payload that nobody acknowledges. */
  sendPure(state: Statement = this.owner.statement(), ...tags: string[]): void {
    this.isAckDue = false;
    this.transmit(this.next, ACK, state, NOTHING, -1, tags);
  }

  /** Sends a FIN; no octets follow. */
  finish(): void {
    if (this.isFinished || this.isDead) return;
    this.isFinished = true;
    this.enqueue(NOTHING, FIN | ACK, -1, "fin", () => this.owner.statement());
  }

  /** Sends a RST with these options. */
  reset(state: Statement, ...tags: string[]): void {
    if (this.isDead) return;
    this.transmit(this.next, RST | ACK, state, NOTHING, -1, ["rst", ...tags]);
    this.die();
  }

  /** Takes a segment from the network. */
  receive(packet: Packet): void {
    if (packet.flags & RST) {
      if (this.isDead) return;
      this.owner.took(this, packet);
      this.die();
    } else if (packet.flags & SYN) this.receiveSyn(packet);
    else if (this.peerIsn >= 0 && !this.isDead) this.receiveSegment(packet);
  }

  private receiveSyn(packet: Packet): void {
    if (this.isDead) return;
    const isFirst = this.peerIsn < 0;
    const isAnswer = (packet.flags & ACK) !== 0;
    if (isFirst) {
      const octets = isAnswer ? 0 : this.owner.tookSyn(this, packet.payload);
      this.peerIsn = (packet.seq + octets) >>> 0;
      if (isAnswer) this.isn = (packet.ack - 1) >>> 0;
    }
    this.received = Math.max(this.received, 1);
    this.peerNonce = packet.said.joinNonce ?? 0;
    if (!isAnswer) {
      if (isFirst) {
        this.owner.took(this, packet);
        this.enqueue(NOTHING, SYN | ACK, -1, "syn-ack", () => this.owner.handshake(this, "syn-ack"));
      }
      return;
    }
    this.acknowledged(1);
    if (isFirst) this.owner.took(this, packet);
    this.sendThirdAck(0);
  }

  /** The third ACK, which nobody acknowledges but by going on. */
  private sendThirdAck(tries: number): void {
    // Once data has been sent, that is repeated instead.
    if (this.isConfirmed || this.isDead || this.next > 1 || tries > MAX_TRIES) return;
    this.sendPure(this.owner.handshake(this, "ack"), "ack");
    if (tries === 0) this.owner.changed(this);
    this.owner.timeline.after(FIRST_RTO_MICROS * 1.3, () => this.sendThirdAck(tries + 1));
  }

  private receiveSegment(packet: Packet): void {
    this.acknowledged((packet.ack - this.isn) >>> 0);
    const ssn = (packet.seq - this.peerIsn) >>> 0;
    const end = ssn + packet.payload.length;
    if (packet.flags & FIN) this.finAt = end;
    this.owner.took(this, packet);
    if (packet.payload.length > 0) this.ranges.push([ssn, end]);
    for (let found = this.following(); found !== undefined; found = this.following()) this.received = found[1];
    this.ranges = this.ranges.filter(([, to]) => to > this.received);
    if (this.finAt === this.received) {
      this.received++;
      this.hasPeersFin = true;
      this.owner.changed(this);
    }
    if (packet.flags & FIN) this.sendPure();
    else if (packet.payload.length > 0) this.acknowledge(end > this.received);
    this.owner.changed(this);
  }

  private following(): [number, number] | undefined {
    return this.ranges.find(([from, to]) => from <= this.received && to > this.received);
  }

  private acknowledge(atOnce: boolean): void {
    if (atOnce || this.owner.random.below(2) === 0) this.sendPure();
    else if (!this.isAckDue) {
      this.isAckDue = true;
      this.owner.timeline.after(DELAYED_ACK_MICROS, () => {
        if (this.isAckDue && !this.isDead) this.sendPure();
      });
    }
  }

  private acknowledged(upTo: number): void {
    if (upTo > this.next) return;
    const span = ({ payload, flags }: Piece): number => payload.length + (flags & (SYN | FIN) ? 1 : 0);
    this.flight = this.flight.filter((piece) => piece.ssn + span(piece) > upTo);
  }

  private enqueue(
    payload: Uint8Array,
    flags: number,
    offset: number,
    tag: string | null,
    state: () => Statement,
  ): void {
    const piece: Piece = { ssn: this.next, payload, flags, offset, tag, state, tries: 0 };
    this.next += payload.length + (flags & (SYN | FIN) ? 1 : 0);
    this.flight.push(piece);
    this.sendPiece(piece);
  }

  private sendPiece(piece: Piece): void {
    if (this.isDead || !this.flight.includes(piece)) return;
    if (piece.tries === MAX_TRIES) {
      this.die();
      return;
    }
    const { ssn, flags, tag } = piece;
    const { random, timeline } = this.owner;
    // RFC 7413 §4.1.3: a SYN that is repeated carries no octets.
    const isFirstSyn = flags === SYN && piece.tries === 0;
    const payload = isFirstSyn ? this.owner.synOctets(this) : piece.payload;
    const offset = isFirstSyn ? 0 : piece.offset;
    const cut =
      piece.tries > 0 && payload.length > 1 && random.below(3) === 0 ? 1 + random.below(payload.length - 1) : 0;
    const tags = tag === null ? [] : [tag];
    if (cut > 0) this.transmit(ssn, flags, piece.state(), payload.subarray(0, cut), offset, tags);
    this.transmit(ssn + cut, flags, piece.state(), payload.subarray(cut), offset < 0 ? -1 : offset + cut, tags);
    const rto = FIRST_RTO_MICROS + this.shape.path.plan.delayMillis * 3000;
    timeline.after(rto * 1.5 ** piece.tries, () => this.sendPiece(piece));
    piece.tries++;
  }

  private transmit(
    ssn: number,
    flags: number,
    { options, said }: Statement,
    payload: Uint8Array,
    offset: number,
    tags: readonly string[],
  ): void {
    const { session, number, side, own, peer, path, timestamps } = this.shape;
    const { isn } = this;
    // As many as fit beside the MPTCP options.
    const room = 40 - options.reduce((sum, { length }) => sum + length, 0);
    const clock = timestamps && room >= 12 ? [option.timestamp(Math.floor(this.owner.timeline.now / 1000) >>> 0)] : [];
    path.send(
      {
        from: own,
        to: peer,
        flags,
        seq: (isn + ssn) >>> 0,
        ack: flags & ACK && this.peerIsn >= 0 ? (this.peerIsn + this.received) >>> 0 : 0,
        options: [...clock, ...options],
        payload,
        ipId: this.owner.nextIpId(),
        said,
        meaning: { session, subflow: number, side, isn, offset, tags },
      },
      side,
    );
  }

  private die(): void {
    this.isDead = true;
    this.flight = [];
    this.owner.changed(this);
  }
}
