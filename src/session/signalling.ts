import { resetBy } from "../subflow/resets.ts";
import * as events from "../subflow/subflow-events.ts";
import type { PacketVector } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import { RST, SYN } from "../wire/tcp.ts";
import { takeAddresses } from "./addresses.ts";
import { takeEarlyFins } from "./data.ts";
import type { Endings } from "./ending.ts";
import { type FallbackCause, fallBack, isFailedByBoth } from "./fallback.ts";
import { takeFastOpen } from "./fast-open.ts";
import { takeFastclose } from "./fastclose.ts";
import { isAcknowledging, takeCapable } from "./handshake.ts";
import { checkIdsn } from "./idsn.ts";
import { isBelieved, isRefused, takeJoin } from "./join.ts";
import * as join from "./join-state.ts";
import type { Memberships } from "./memberships.ts";
import type { Placement } from "./placement.ts";
import { strikeUnproven, takeRareOptions } from "./rare-options.ts";
import type { Room } from "./room.ts";
import type { SessionObserver } from "./session-observer.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { CAPABLE_CUT, noteVerdictBits } from "./verdicts.ts";

/** Takes what packets say besides data: MPTCP options other than a DSS, and options that should be there and are not. */
export class Signalling {
  private readonly sessions: Sessions;
  private readonly placement: Placement;
  private readonly endings: Endings;
  private readonly memberships: Memberships;
  private readonly room: Room;
  private readonly observer: SessionObserver;
  private readonly options = new mptcp.MptcpOptions();

  constructor(placement: Placement, endings: Endings, memberships: Memberships, room: Room, observer: SessionObserver) {
    this.sessions = placement.sessions;
    this.placement = placement;
    this.endings = endings;
    this.memberships = memberships;
    this.room = room;
    this.observer = observer;
  }

  /** The MPTCP options of a packet, valid until the next one is read. */
  read(vector: PacketVector, i: number): mptcp.MptcpOptions {
    mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, vector.hasCutOptions(i), this.options);
    return this.options;
  }

  /**
   * Takes all that packet i says besides data into the session of its subflow. False where the packet showed that the
   * subflow is another one, seen elsewhere with other addresses: it is to be taken again as that one's.
   */
  take(vector: PacketVector, seen: events.SubflowEvents, i: number, subflow: number): boolean {
    const kind = seen.kind[i]!;
    const session = this.sessions.sessionOf(subflow);
    const atMicros = vector.atMicros[i]!;
    const state = this.sessions.table.state(session);
    if (kind & events.OPTIONS) {
      this.read(vector, i);
      if (!this.takeOptions(vector, seen, i, session, subflow)) return false;
    }
    const isInitial = (this.sessions.join(subflow) & join.IS_INITIAL) !== 0;
    if (isInitial && vector.flags[i]! & SYN) {
      takeFastOpen(this.placement, session, vector, seen, i);
    }
    if (kind & events.SYN_RETRIED_PLAIN) this.sessions.table.set(session, table.S_SYN_RETRIED_PLAIN);
    const isAnswered = (this.sessions.table.state(session) & table.S_ANSWERED) !== 0;
    if (kind & events.SYN_ACK && isInitial && !isAnswered && !vector.hasCutOptions(i)) {
      const retried = (state & table.S_SYN_RETRIED_PLAIN) !== 0;
      this.fallBackTo(session, subflow, retried ? "syn-retried-without-option" : "syn-ack-without-option", atMicros);
    }
    if (kind & events.FIRST_MAPPING) {
      const side = this.sessions.sideOf(subflow, seen.fromHigher[i]!);
      checkIdsn(this.sessions, this.sessions.sessionOf(subflow), subflow, side, seen, i, vector.payloadAt[i]!);
    }
    if (kind & events.INFINITE_MAPPING) {
      // Whoever knows the token can send one on a join that proves nothing.
      const word = this.sessions.join(subflow);
      const isUnproven = (word & (join.IS_JOINED | join.IS_PROVEN)) === join.IS_JOINED;
      if (!isUnproven && !isRefused(word)) {
        this.fallBackTo(this.sessions.sessionOf(subflow), subflow, "infinite-mapping", atMicros);
      }
    }
    return true;
  }

  private takeOptions(
    vector: PacketVector,
    seen: events.SubflowEvents,
    i: number,
    session: number,
    subflow: number,
  ): boolean {
    const { options, sessions } = this;
    const atMicros = vector.atMicros[i]!;
    const side = sessions.sideOf(subflow, seen.fromHigher[i]!);
    const joinWord = sessions.join(subflow);
    if (options.unfinished & (1 << mptcp.MP_CAPABLE)) noteVerdictBits(sessions, session, CAPABLE_CUT);
    if (options.unfinished & (1 << mptcp.MP_JOIN)) {
      sessions.setJoin(subflow, vector.flags[i]! & SYN ? join.CUT_SYN_ACK : join.CUT_ACK);
    }
    const isCapable = (options.seen & (1 << mptcp.MP_CAPABLE)) !== 0 && (joinWord & join.IS_INITIAL) !== 0;
    if (isCapable && !isAcknowledging(sessions, subflow, seen.fromHigher[i]!, vector, i)) {
      sessions.subflows.seldom.noteImplausible(subflow);
    } else if (isCapable) {
      takeCapable(sessions, session, side, vector, i, options);
      if (this.memberships.unify(subflow)) return false;
      if (sessions.table.state(session) & table.S_CAPABLE_ACK) this.confirm(session, atMicros);
    }
    if (options.seen & (1 << mptcp.MP_JOIN) && joinWord & join.IS_JOINED) {
      const isNew = takeJoin(sessions, session, subflow, vector, i, options);
      if (this.memberships.unify(subflow)) return false;
      if (isRefused(sessions.join(subflow)) && !isRefused(joinWord))
        session = this.memberships.correctOwner(session, subflow, atMicros);
      if (isNew && options.joinLength === mptcp.JOIN_ACK_LENGTH) this.observer.updated(session, atMicros);
    }
    if (!isBelieved(sessions, session, subflow)) strikeUnproven(sessions, session, options);
    if (
      options.seen & ((1 << mptcp.ADD_ADDR) | (1 << mptcp.REMOVE_ADDR)) &&
      takeAddresses(sessions, session, side, vector, i, options)
    ) {
      this.observer.updated(session, atMicros);
    }
    if (
      options.seen & (1 << mptcp.MP_FASTCLOSE) &&
      takeFastclose(sessions, session, side, vector.view, options.fastcloseKeyAt)
    ) {
      this.endings.consider(session, atMicros);
    }
    if (takeRareOptions(sessions, session, subflow, side, atMicros, options)) {
      // RFC 8684 §3.7: who cannot go on without mappings answers with MP_FAIL on a RST, which another agent may see first.
      const isReset = (vector.flags[i]! & RST) !== 0 || resetBy(sessions.subflows, subflow) !== null;
      if (!isReset && isFailedByBoth(sessions, session, subflow))
        this.fallBackTo(session, subflow, "mp-fail", atMicros);
      this.observer.updated(session, atMicros);
    }
    return true;
  }

  /** A segment showed that both sides speak MPTCP. */
  confirm(session: number, atMicros: number): void {
    this.establish(session, table.S_CONFIRMED, atMicros);
  }

  /** The session is plain TCP from now on. */
  fallBackTo(session: number, subflow: number, cause: FallbackCause, atMicros: number): void {
    fallBack(this.sessions, session, subflow, cause, atMicros);
    if (this.sessions.hasFallenBack(session, subflow)) takeEarlyFins(this.sessions, session, subflow);
    this.endings.consider(session, atMicros);
    this.establish(session, 0, atMicros);
  }

  private establish(session: number, bits: number, atMicros: number): void {
    const isNew = (this.sessions.table.state(session) & table.S_ESTABLISHED) === 0;
    this.sessions.table.set(session, bits | table.S_ESTABLISHED);
    if (!isNew) return;
    this.room.noteEstablished(session, atMicros);
    this.observer.opened(session, atMicros);
  }
}
