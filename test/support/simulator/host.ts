import type { Random } from "../../bench/random.ts";
import { ACK, option, SYN } from "../packets.ts";
import type { Identity, Statement } from "./identity.ts";
import { isMptcp, type Mapping, type Packet } from "./network.ts";
import { type EventPlan, peerOf, type SessionPlan, type Side } from "./plan.ts";
import { Reception } from "./reception.ts";
import type { SubflowEnd, SubflowOwner } from "./subflow-end.ts";
import type { Timeline } from "./timeline.ts";

const RESCUE_MICROS = 700_000;
const MAX_RESCUES = 60;
/** Linux sends so many SYNs with the option before it tries without. */
const SYNS_WITH_OPTION = 3;
const PLAIN: Statement = { options: [], said: {} };

/** One endpoint of a MPTCP connection: sends its stream over its subflows, and rebuilds the peer's. */
export class Host implements SubflowOwner {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly ends: SubflowEnd[] = [];
  isPlain = false;
  /** Both sides are known to speak MPTCP. */
  isEstablished = false;
  /** Nothing is sent on its own account any more. */
  isOver = false;
  private readonly side: Side;
  private readonly plan: SessionPlan;
  private readonly identity: Identity;
  private readonly stream: Uint8Array;
  /** Octets of the longest mapping: a long stream is not cut into more than a few hundred. */
  private readonly longest: number;
  private ipId: number;
  private sent = 0;
  private acked = 0;
  private isFinSent = false;
  private readonly reception: Reception;
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
    const isTampered = plan.paths.some(({ tampered }) => tampered > 0);
    const peer = peerOf(side);
    this.reception = new Reception(streams[peer], isTampered, plan.checksum && isTampered, (end, mapping, octets) => {
      if (identity.checksum(peer, mapping, mapping.ssn, octets) === identity.checksum(peer, mapping, mapping.ssn))
        return true;
      end.reset(identity.fail(side, mapping), "mp-fail");
      return false;
    });
    this.timeline = timeline;
    this.random = random;
    this.ipId = 1 + random.below(0x7fff);
    timeline.after(RESCUE_MICROS, () => this.rescue(0, -1));
  }

  nextIpId(): number {
    this.ipId = this.ipId === 0xffff ? 1 : this.ipId + 1;
    return this.ipId;
  }

  handshake({ shape, isOpener, peerNonce }: SubflowEnd, segment: "syn" | "syn-ack" | "ack"): Statement {
    if (segment === "syn" && ++this.syns > SYNS_WITH_OPTION && this.plan.stripped === "syn-dropped")
      this.isPlain = true;
    if (this.isPlain) return PLAIN;
    if (shape.number === 0) return this.identity.capable(segment);
    const nonces = isOpener ? ([shape.nonce, peerNonce] as const) : ([peerNonce, shape.nonce] as const);
    // An address identifier of its own for each path.
    const id = shape.number + (isOpener ? 0 : 100);
    return this.identity.join(segment, shape.opener, nonces, id, shape.isBackup);
  }

  statement(mapping?: Mapping): Statement {
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
    if (packet.said.fastclose) this.giveUp(end);
    else this.takeSegment(end, packet);
  }

  private takeSegment(end: SubflowEnd, packet: Packet): void {
    const { said, flags } = packet;
    this.settle(end, packet);
    if (said.dataAck !== undefined) this.acked = Math.max(this.acked, said.dataAck);
    if (said.mapping !== undefined) this.reception.map(end, said.mapping);
    if (packet.payload.length === 0 || flags & SYN) return;
    if (this.isPlain) this.reception.place(packet.meaning.offset, packet.payload);
    else this.reception.take(end, (packet.seq - end.peerSequence) >>> 0, packet.payload);
  }

  changed(end: SubflowEnd): void {
    if (end.hasPeersFin && end.isIdle && !this.isPlain) end.finish();
    if (!this.isOver) this.pump();
  }

  /** What the plan has happen on one of the subflows. */
  happen({ kind, subflow }: EventPlan): void {
    const alive = this.ends.filter((end) => end.isReady && !end.isDead && !end.isFinished);
    const end = alive[subflow % Math.max(alive.length, 1)];
    if (end === undefined || this.isPlain || this.isOver) return;
    if (kind === "reset-subflow") end.reset(this.resetStatement());
    else if (kind === "close-subflow") end.finish();
    else if (kind === "add-address")
      end.sendPure(this.identity.addAddress(this.side, 50, "198.51.100.50"), "add-address");
    else if (kind === "remove-address") end.sendPure({ options: [option.removeAddr(50)], said: {} }, "remove-address");
    else end.sendPure({ options: [option.prio(true)], said: {} }, "priority");
  }

  /** Ends the session at once (RFC 8684 §3.5), or by resetting all subflows. */
  abort(how: "fastclose-ack" | "fastclose-reset" | "reset"): void {
    if (!this.isEstablished || this.isOver) return;
    this.isOver = true;
    const alive = this.ends.filter((end) => !end.isDead);
    const fastclose = this.identity.fastclose(this.side);
    for (const [n, end] of alive.entries()) {
      if (how === "fastclose-ack" && n === 0) this.repeatFastclose(end, fastclose, 0);
      else if (how === "fastclose-reset") end.reset(fastclose, "fastclose");
      else end.reset(this.resetStatement());
    }
  }

  private repeatFastclose(end: SubflowEnd, fastclose: Statement, tries: number): void {
    if (end.isDead || tries > 8) return;
    end.sendPure(fastclose, "fastclose");
    this.timeline.after(RESCUE_MICROS / 2, () => this.repeatFastclose(end, fastclose, tries + 1));
  }

  /** The peer has sent a fast close. */
  private giveUp(by: SubflowEnd): void {
    this.isOver = true;
    for (const end of this.ends)
      if (!end.isDead && (end !== by || this.plan.ending === "fastclose-ack")) end.reset(this.resetStatement());
  }

  private resetStatement(): Statement {
    return this.plan.version === 1 && !this.isPlain ? { options: [option.reset(0)], said: {} } : PLAIN;
  }

  /** What a segment shows of the state of its connection, and of the peer's wish to speak MPTCP. */
  private settle(end: SubflowEnd, packet: Packet): void {
    if (packet.flags & SYN) this.settleSyn(end, packet);
    else if (!end.isOpener) this.settleAsListener(end, packet);
    else if (!end.isConfirmed) this.settleAsOpener(end, packet);
  }

  private settleSyn(end: SubflowEnd, { said, flags }: Packet): void {
    if (end.shape.number > 0) return;
    if (said.capable === undefined) this.isPlain = true;
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
      if (!isProof) this.isPlain = true;
      end.isConfirmed = true;
      end.isReady = true;
      this.isEstablished = !this.isPlain;
    }
    if (isThirdAck) end.sendPure();
  }

  private settleAsOpener(end: SubflowEnd, packet: Packet): void {
    if (packet.said.dataAck === undefined && (end.shape.number > 0 || isMptcp(packet))) return;
    if (packet.said.dataAck === undefined) this.isPlain = true;
    else this.isEstablished = true;
    end.isConfirmed = true;
    end.isReady = true;
  }

  /** Everything is sent, acknowledged and received. */
  get isDone(): boolean {
    return this.isOver || (this.isFinSent && this.acked > this.stream.length && this.reception.isWhole);
  }

  /** Gives octets to subflows as long as there are both. */
  private pump(): void {
    while (this.sent < this.stream.length) {
      const ready = this.candidates();
      if (ready.length === 0) return;
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
    const [initial] = this.ends;
    if (initial?.isReady && initial.isIdle && this.plan.ending === "fin") initial.finish();
  }

  private candidates(): SubflowEnd[] {
    if (this.isPlain) return this.ends.slice(0, 1).filter((end) => end.hasRoom);
    const ready = this.ends.filter((end) => end.hasRoom);
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
    const mapping = { offset, ssn: end.nextSsn, length, fin, capable };
    end.sendMapped(mapping, this.stream.subarray(offset, offset + length), mss, (n, last) =>
      // Whoever has no key yet learns it from any of the first segments.
      capable || mappingOn === "every" ? true : mappingOn === "first" ? n === 0 : n === last,
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
    if (this.acked > this.stream.length || this.isOver || tries > 40) return;
    const end = this.ends.find((one) => one.isReady && !one.isDead && !one.isFinished);
    const mapping = { offset: this.stream.length, ssn: 0, length: 0, fin: true, capable: false };
    if (tries !== 1) end?.sendPure(this.statement(mapping), "data-fin");
    this.timeline.after(RESCUE_MICROS / 2, () => this.sendFin(tries === 0 ? 2 : tries + 1));
  }

  /** Octets that nobody acknowledges, on subflows that are no more or not good, are sent again elsewhere. */
  private rescue(round: number, before: number): void {
    if (this.isOver || round > MAX_RESCUES) return;
    if (this.acked === before && this.acked < this.sent && this.isEstablished && !this.isPlain) {
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
