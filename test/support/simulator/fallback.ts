import { ACK, RST, SYN } from "../packets.ts";
import type { Host } from "./host.ts";
import { type Infinite, isMptcp, type Mapping, type Packet } from "./network.ts";
import { peerOf } from "./plan.ts";
import type { SubflowEnd } from "./subflow-end.ts";

const REPEAT_MICROS = 350_000;
const MAX_REPEATS = 8;
/** RFC 8684 §3.6: middlebox interference, and an error in MPTCP itself. */
const INTERFERENCE = 6;
const MPTCP_ERROR = 1;

/** A mapping as it was sent. */
interface SentMapping {
  readonly end: SubflowEnd;
  readonly mapping: Mapping;
}

/** How far a stream is ahead of the subflow that a mapping is on. */
const aheadOf = ({ offset, ssn }: Infinite): number => offset - ssn;

/**
 * One host's way out of MPTCP (RFC 8684 §3.7): from the beginning, or once data has flowed, by MP_FAIL, by an infinite
 * mapping, or because segments come without options. It goes only where stream and subflow are in step in all that may
 * come again without a mapping; else the subflow is reset.
 */
export class Fallback {
  /** The subflow that the connection goes on with as plain TCP; null while it is MPTCP. */
  end: SubflowEnd | null = null;
  private readonly host: Host;
  private readonly sent: SentMapping[] = [];
  /** An infinite mapping is to be stated with the next new octets, because of the plan or as the way out. */
  private isWanted = false;
  private isOwed = false;
  /** Offset in the peer's stream that a MP_FAIL without an answer names. */
  private failed: number | null = null;

  constructor(host: Host) {
    this.host = host;
  }

  /** The connection has been plain TCP from its first segment on. */
  begin(end: SubflowEnd): void {
    this.end ??= end;
    this.host.reception.goPlain(end);
  }

  /** The plan wants an infinite mapping, which nothing has called for. */
  want(): void {
    this.isWanted = true;
  }

  noteSent(end: SubflowEnd, mapping: Mapping): void {
    this.sent.push({ end, mapping });
  }

  /** New octets are about to be sent on this subflow. */
  consider(end: SubflowEnd): void {
    if (this.isWanted && this.host.isEstablished && this.end === null && this.isOnly(end) && this.isInStepOn(end))
      this.leave(end, true);
  }

  /** The infinite mapping that the next new octets are to state, if any is owed. */
  statedBefore(end: SubflowEnd): Infinite | undefined {
    if (!this.isOwed || this.end !== end) return undefined;
    this.isOwed = false;
    const { acked, sent, plan } = this.host;
    const ahead = this.ahead(end);
    if (!plan.retroactive) return { offset: sent, ssn: end.nextSsn };
    // From the newest mapping on that is known to have been delivered intact.
    const known = this.sent.findLast(
      (one) => one.end === end && aheadOf(one.mapping) === ahead && one.mapping.offset + one.mapping.length <= acked,
    );
    const offset = known?.mapping.offset ?? Math.min(acked, sent);
    return { offset, ssn: offset - ahead };
  }

  /** Whether the octets of a mapping that has come whole are taken. */
  mayTake(end: SubflowEnd, mapping: Mapping, octets: Uint8Array): boolean {
    const { identity, side } = this.host;
    const peer = peerOf(side);
    if (identity.checksum(peer, mapping, mapping.ssn, octets) === identity.checksum(peer, mapping, mapping.ssn))
      return true;
    if (!this.isOnly(end)) {
      end.reset(identity.fail(side, mapping.offset), "mp-fail");
      return false;
    }
    if (this.failed === null) {
      this.failed = mapping.offset;
      this.repeatFail(end, 0);
    }
    // As Linux does it: what was changed is delivered all the same.
    return true;
  }

  /** Takes what a segment shows of the peer's leaving MPTCP. */
  take(end: SubflowEnd, packet: Packet): void {
    const { host } = this;
    const { said, flags, payload } = packet;
    if (flags & (SYN | RST)) return;
    if (said.infinite !== undefined) {
      host.reception.goOn(end, said.infinite);
      if (this.end === null) this.leave(end, host.plan.infiniteByBoth);
    } else if (said.fail !== undefined) this.takeFail(end, said.dataAck !== undefined);
    else if (this.end === null && host.isEstablished && end.isConfirmed && !isMptcp(packet) && flags & ACK)
      this.takeBare(end, payload.length > 0);
  }

  /** Whether all octets that are not acknowledged are on the only subflow, whose retransmissions bring them. */
  get isInStep(): boolean {
    const alive = this.host.ends.filter((end) => !end.isClosed);
    return alive[0] !== undefined && alive.length === 1 && this.isInStepOn(alive[0]);
  }

  private takeFail(end: SubflowEnd, isAsking: boolean): void {
    const { host } = this;
    const answer = host.identity.fail(host.side, host.reception.dataAck);
    if (this.end !== null) {
      // Who still speaks MPTCP has not had the answer.
      if (isAsking && this.end === end) end.sendPure(answer, "mp-fail");
    } else if (this.failed !== null) this.leave(end, isAsking || host.plan.infiniteByBoth);
    else if (!this.isOnly(end) || !this.isInStepOn(end) || !this.isNewestInStep(end)) end.reset(answer, "mp-fail");
    else {
      this.leave(end, true);
      end.sendPure(answer, "mp-fail");
    }
  }

  /** A segment without any option: a box took them, or the peer has left. */
  private takeBare(end: SubflowEnd, isData: boolean): void {
    const { host } = this;
    if (this.failed !== null && this.isOnly(end)) this.leave(end, host.plan.infiniteByBoth);
    // The sender of acknowledged data says so, in case options are lost one way only.
    else if (host.ends.length === 1) this.leave(end, !isData || host.plan.infiniteByBoth);
    else if (!this.isOnly(end)) end.reset(host.identity.reset(INTERFERENCE));
    // Else an infinite mapping will say where octets without one belong.
  }

  /** MP_FAIL until it is answered; the DSS beside it says that this host still speaks MPTCP. */
  private repeatFail(end: SubflowEnd, tries: number): void {
    const { identity, side, reception, timeline } = this.host;
    if (this.end !== null || end.isDead || this.failed === null || tries > MAX_REPEATS) return;
    const fail = identity.fail(side, this.failed);
    const dss = identity.dss(side, reception.dataAck);
    end.sendPure({ options: [...fail.options, ...dss.options], said: { ...fail.said, ...dss.said } }, "mp-fail");
    timeline.after(REPEAT_MICROS, () => this.repeatFail(end, tries + 1));
  }

  private leave(end: SubflowEnd, owes: boolean): void {
    const { host } = this;
    if (!this.isInStepOn(end) || (!owes && !this.isNewestInStep(end))) {
      end.reset(host.identity.reset(MPTCP_ERROR));
      return;
    }
    this.end = end;
    this.isOwed = owes;
    host.reception.goPlain(end);
    for (const other of host.ends) if (other !== end) other.reset(host.identity.reset(null));
  }

  /** Whether no other subflow of the session is open. */
  private isOnly(end: SubflowEnd): boolean {
    return this.host.ends.every((one) => one === end || one.isClosed);
  }

  /** How far new octets on this subflow are ahead of it; its FIN is none. */
  private ahead(end: SubflowEnd): number {
    return this.host.sent - end.nextSsn + (end.isFinished ? 1 : 0);
  }

  /** Whether new octets, and all that are not acknowledged, are as far ahead of this subflow. */
  private isInStepOn(end: SubflowEnd): boolean {
    const { acked, isAllGiven } = this.host;
    // A FIN has said that nothing more comes here.
    if (end.isFinished && !isAllGiven) return false;
    const ahead = this.ahead(end);
    return this.sent.every(({ end: on, mapping }) => {
      const isOpen =
        mapping.offset + mapping.length > acked || (on === end && mapping.ssn + mapping.length > end.unacked);
      return !isOpen || (on === end && aheadOf(mapping) === ahead);
    });
  }

  /** Whether who knows the newest mapping of this subflow alone knows where new octets belong. */
  private isNewestInStep(end: SubflowEnd): boolean {
    const { side, identity } = this.host;
    const newest = this.sent.findLast((one) => one.end === end);
    const begin = end.shape.number === 0 ? (side === 0 ? identity.taken : 0) - 1 : Number.NaN;
    return (newest === undefined ? begin : aheadOf(newest.mapping)) === this.ahead(end);
  }
}
