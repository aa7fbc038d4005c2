import type { Random } from "../../bench/random.ts";
import { ACK, SYN } from "../packets.ts";
import { Fallback } from "./fallback.ts";
import { type Identity, PLAIN, type Statement } from "./identity.ts";
import { giveUp } from "./interruptions.ts";
import { isMptcp, type Mapping, type Packet } from "./network.ts";
import { peerOf, type SessionPlan, type Side } from "./plan.ts";
import { Reception } from "./reception.ts";
import type { SubflowEnd, SubflowOwner } from "./subflow-end.ts";
import type { Timeline } from "./timeline.ts";

const RESCUE_MICROS = 700_000;
const MAX_RESCUES = 60;
/** Linux sends so many SYNs with the option before it tries without. */
const SYNS_WITH_OPTION = 3;

/** One endpoint of a MPTCP connection: sends its stream over its subflows, and rebuilds the peer's. */
export class Host implements SubflowOwner {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly ends: SubflowEnd[] = [];
  /** Both sides are known to speak MPTCP. */
  isEstablished = false;
  /** Nothing is sent on its own account any more. */
  isOver = false;
  readonly side: Side;
  readonly plan: SessionPlan;
  readonly identity: Identity;
  readonly fallback: Fallback;
  readonly reception: Reception;
  /** Octets of its stream that were given to subflows, and that the peer has acknowledged at data level. */
  sent = 0;
  acked = 0;
  private readonly stream: Uint8Array;
  /** Octets of the longest mapping: a long stream is not cut into more than a few hundred. */
  private readonly longest: number;
  private ipId: number;
  private isFinSent = false;
  private turn = 0;
  private syns = 0;

  constructor(
    side: Side,
    plan: SessionPlan,
    identity: Identity,
    streams: readonly [Uint8Array, Uint8Array],
    timeline: Timeline,
    random: Random,
  ) {
    this.side = side;
    this.plan = plan;
    this.identity = identity;
    this.stream = streams[side];
    this.longest = Math.max(plan.mapping, Math.ceil(this.stream.length / 150));
    this.fallback = new Fallback(this);
    this.reception = new Reception(streams[peerOf(side)], plan, {
      mayTake: (end, mapping, octets) => this.fallback.mayTake(end, mapping, octets),
      begin: () => (side === 0 ? 0 : identity.taken),
    });
    this.timeline = timeline;
    this.random = random;
    this.ipId = 1 + random.below(0x7fff);
    timeline.after(RESCUE_MICROS, () => this.rescue(0, -1));
  }

  get isPlain(): boolean {
    return this.fallback.end !== null;
  }

  nextIpId(): number {
    this.ipId = this.ipId === 0xffff ? 1 : this.ipId + 1;
    return this.ipId;
  }

  handshake(end: SubflowEnd, segment: "syn" | "syn-ack" | "ack"): Statement {
    const { shape, isOpener, peerNonce } = end;
    if (segment === "syn" && ++this.syns > SYNS_WITH_OPTION && this.plan.stripped === "syn-dropped")
      this.fallback.begin(end);
    if (this.isPlain) return PLAIN;
    if (shape.number === 0) return this.identity.capable(segment);
    const nonces = isOpener ? ([shape.nonce, peerNonce] as const) : ([peerNonce, shape.nonce] as const);
    // An address identifier of its own for each path.
    const id = shape.number + (isOpener ? 0 : 100);
    return this.identity.join(segment, shape.opener, nonces, id, shape.isBackup);
  }

  statement(mapping?: Mapping): Statement {
    if (mapping?.infinite) return this.identity.infinite(this.side, this.reception.dataAck, mapping.infinite);
    if (this.isPlain) return PLAIN;
    if (mapping?.capable) return this.identity.capableData(mapping);
    return this.identity.dss(this.side, this.reception.dataAck, mapping);
  }

  synOctets({ shape }: SubflowEnd): Uint8Array {
    const { version, fastOpen } = this.plan;
    return this.stream.subarray(0, version === 1 && shape.number === 0 ? fastOpen : 0);
  }

  tookSyn(_end: SubflowEnd, octets: Uint8Array): number {
    const { fastOpenTaken } = this.plan;
    if (octets.length === 0 || fastOpenTaken === "none") return 0;
    this.identity.taken = fastOpenTaken === "all" ? octets.length : octets.length >> 1;
    this.reception.place(0, octets.subarray(0, this.identity.taken));
    return this.identity.taken;
  }

  took(end: SubflowEnd, packet: Packet): void {
    if (packet.said.fastclose) giveUp(this, end);
    else this.takeSegment(end, packet);
  }

  private takeSegment(end: SubflowEnd, packet: Packet): void {
    const { said, flags } = packet;
    this.settle(end, packet);
    if (said.dataAck !== undefined) this.acked = Math.max(this.acked, said.dataAck);
    if (said.mapping !== undefined) this.reception.map(end, said.mapping);
    this.fallback.take(end, packet);
    if (packet.payload.length === 0 || flags & SYN) return;
    this.reception.take(end, (packet.seq - end.peerSequence) >>> 0, packet.payload);
  }

  changed(end: SubflowEnd): void {
    if (end.hasPeersFin && end.isIdle && !this.isPlain) end.finish();
    if (!this.isOver) this.pump();
  }

  /** What a segment shows of the state of its connection, and of the peer's wish to speak MPTCP. */
  private settle(end: SubflowEnd, packet: Packet): void {
    if (packet.flags & SYN) this.settleSyn(end, packet);
    else if (!end.isOpener) this.settleAsListener(end, packet);
    else if (!end.isConfirmed) this.settleAsOpener(end, packet);
  }

  private settleSyn(end: SubflowEnd, { said, flags }: Packet): void {
    // There is nothing left to join.
    if (end.shape.number > 0 && this.isPlain) end.reset(PLAIN);
    if (end.shape.number > 0) return;
    if (said.capable === undefined) this.fallback.begin(end);
    if ((flags & ACK) === 0) return;
    this.sent = this.acked = this.identity.taken;
    if (this.isPlain || this.plan.version === 0 || this.plan.capableData) end.isReady = true;
    if (this.isPlain) end.isConfirmed = true;
  }

  private settleAsListener(end: SubflowEnd, packet: Packet): void {
    const { said } = packet;
    const isInitial = end.shape.number === 0;
    const isThirdAck = said.capable === true || said.joinNonce !== undefined;
    const isProof = isThirdAck || (isInitial && this.plan.version === 0 && said.dataAck !== undefined);
    if (!end.isConfirmed) {
      if (!isProof && (!isInitial || isMptcp(packet))) return;
      // RFC 8684 §3.7: the first segment after the SYN/ACK has no option.
      if (!isProof) this.fallback.begin(end);
      end.isConfirmed = true;
      end.isReady = true;
      this.isEstablished = !this.isPlain;
    }
    if (isThirdAck) end.sendPure();
  }

  private settleAsOpener(end: SubflowEnd, packet: Packet): void {
    if (packet.said.dataAck === undefined && (end.shape.number > 0 || isMptcp(packet))) return;
    if (packet.said.dataAck === undefined) this.fallback.begin(end);
    else this.isEstablished = true;
    end.isConfirmed = true;
    end.isReady = true;
  }

  /** Everything is sent, acknowledged and received. */
  get isDone(): boolean {
    const { end } = this.fallback;
    if (end !== null) return end.isClosed;
    return this.isOver || (this.isFinSent && this.acked > this.stream.length && this.reception.isWhole);
  }

  /** There are no new octets any more. */
  get isAllGiven(): boolean {
    return this.sent === this.stream.length;
  }

  /** Gives octets to subflows as long as there are both. */
  private pump(): void {
    while (this.sent < this.stream.length) {
      const ready = this.candidates();
      if (ready[0] === undefined) return;
      this.fallback.consider(ready[0]);
      const isFirst =
        this.sent === this.identity.taken && this.side === 0 && this.plan.capableData && this.plan.version === 1;
      // Before the responder has answered, there is the first mapping alone.
      if (!this.isEstablished && !this.isPlain && this.plan.version === 1 && this.side === 0 && !isFirst) return;
      const length = Math.min(1 + this.random.below(this.longest), this.stream.length - this.sent);
      for (const end of this.choose(ready)) this.assign(end, this.sent, length, isFirst);
      this.sent += length;
      if (ready.length > 1 && this.random.below(1000) < this.plan.reinjected * 1000)
        this.reinject(this.sent - length, length);
    }
    if (this.isPlain) this.finishPlain();
    else if (!this.isFinSent && this.isEstablished && this.plan.ending === "fin") this.sendFin(0);
    else if (this.isDone) {
      for (const end of this.ends) if (end.isReady) end.finish();
    }
  }

  private finishPlain(): void {
    const { end } = this.fallback;
    if (end?.isReady && end.isIdle && this.plan.ending === "fin") end.finish();
  }

  private candidates(): SubflowEnd[] {
    const { end: only } = this.fallback;
    const ready = this.ends.filter((end) => end.hasRoom && (only === null || only === end));
    const preferred = ready.filter((end) => !end.shape.isBackup);
    return preferred.length > 0 ? preferred : ready;
  }

  private choose(ready: readonly SubflowEnd[]): readonly SubflowEnd[] {
    const { scheduler } = this.plan;
    if (scheduler === "redundant") return ready;
    const delay = (end: SubflowEnd): number => end.shape.path.plan.delayMillis;
    const fastest = [...ready].sort((a, b) => delay(a) - delay(b));
    const at = scheduler === "random" ? this.random.below(ready.length) : this.turn++ % ready.length;
    const chosen = scheduler === "lowest-rtt" ? fastest[0] : ready[at];
    return chosen === undefined ? [] : [chosen];
  }

  private assign(end: SubflowEnd, offset: number, length: number, capable: boolean): void {
    const { mss, mappingOn, ending, finWithData } = this.plan;
    const isLast = offset + length === this.stream.length;
    const fin = isLast && finWithData && ending === "fin" && !capable && !this.isPlain && this.isEstablished;
    if (fin && !this.isFinSent) this.sendFin(1);
    const infinite = this.fallback.statedBefore(end);
    const mapping = { offset, ssn: end.nextSsn, length, fin, capable, ...(infinite && { infinite }) };
    this.fallback.noteSent(end, mapping);
    end.sendMapped(mapping, this.stream.subarray(offset, offset + length), mss, (n, last) =>
      // Whoever has no key yet learns it from any of the first segments.
      infinite ? n === 0 : capable || mappingOn === "every" ? true : mappingOn === "first" ? n === 0 : n === last,
    );
  }

  /** Sends octets again on another subflow, cut otherwise. */
  private reinject(offset: number, length: number): void {
    const ready = this.candidates();
    const end = ready[this.random.below(Math.max(ready.length, 1))];
    const skip = this.random.below(length);
    if (end === undefined || this.isPlain) return;
    this.assign(end, offset + skip, 1 + this.random.below(length - skip), false);
  }

  /** DATA_FIN without payload (RFC 8684 §3.3.3), until it is acknowledged. */
  private sendFin(tries: number): void {
    this.isFinSent = true;
    if (this.acked > this.stream.length || this.isOver || this.isPlain || tries > 40) return;
    const end = this.ends.find((one) => one.isReady && !one.isDead && !one.isFinished);
    const mapping = { offset: this.stream.length, ssn: 0, length: 0, fin: true, capable: false };
    if (tries !== 1) end?.sendPure(this.statement(mapping), "data-fin");
    this.timeline.after(RESCUE_MICROS / 2, () => this.sendFin(tries === 0 ? 2 : tries + 1));
  }

  /** Octets that nobody acknowledges, on subflows that are no more or not good, are sent again elsewhere. */
  private rescue(round: number, before: number): void {
    if (this.isOver || round > MAX_RESCUES) return;
    if (this.acked === before && this.acked < this.sent && this.isEstablished && !this.fallback.isInStep) {
      this.reinject(this.acked, Math.min(this.sent - this.acked, this.longest));
    }
    this.changedAll();
    this.timeline.after(RESCUE_MICROS, () => this.rescue(round + 1, this.acked));
  }

  private changedAll(): void {
    this.pump();
    for (const end of this.ends) if (end.hasPeersFin && !this.isPlain) end.finish();
  }
}
