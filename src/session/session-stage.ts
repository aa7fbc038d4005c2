import { FATE_ALIVE, fateOf } from "../fate.ts";
import * as events from "../subflow/subflow-events.ts";
import type { SubflowStage } from "../subflow/subflow-stage.ts";
import * as flow from "../subflow/subflow-table.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import { SYN } from "../wire/tcp.ts";
import { takeAddresses } from "./addresses.ts";
import { type NewOctets, takeMapped, takePlain } from "./data.ts";
import { type Close, Endings } from "./ending.ts";
import { fallBack } from "./fallback.ts";
import { takeFastclose } from "./fastclose.ts";
import { takeCapable } from "./handshake.ts";
import { HeldPackets } from "./held-packets.ts";
import { isRefused, takeJoin } from "./join.ts";
import * as join from "./join-state.ts";
import { Memberships } from "./memberships.ts";
import * as table from "./session-table.ts";
import { Sessions } from "./sessions.ts";
import { takeSteady } from "./steady-path.ts";

const TABLE_FULL = fateOf("session/table-full");
const MIDSTREAM = fateOf("session/midstream");
const ORPHAN_JOIN = fateOf("session/orphan-join");
const JOIN_REFUSED = fateOf("session/join-refused");
const COUNTED = fateOf("session/counted");

/** Whom the session stage tells what happened. A session's numbers are valid until `ended` returns. */
export interface SessionObserver {
  /** The session is one: its handshake is complete, or it fell back. Not called for stand-ins (orphan, midstream). */
  opened(session: number, atMicros: number): void;
  /** A subflow joined or closed, or an address was announced. */
  updated(session: number, atMicros: number): void;
  /** The session is over, and forgotten when the call returns; also called for half-open ones. */
  ended(session: number, close: Close, atMicros: number): void;
  /** Octets of a stream seen for the first time; null when nobody wants them. */
  readonly octets: NewOctets | null;
}

/** The third stage: takes each subflow event to its session, verifies, reassembles, and decides fallback and end. */
export class SessionStage {
  readonly sessions: Sessions;
  private readonly stage: SubflowStage;
  private readonly observer: SessionObserver;
  private readonly endings: Endings;
  private readonly memberships: Memberships;
  private readonly options = new mptcp.MptcpOptions();
  private readonly held = new HeldPackets();
  /** Keeps the sums of touched lines, so that the loads are not optimised away. */
  private readonly touched = new Uint32Array(1);
  /** Streams (session * 2 + side) of the vector's packets. */
  private readonly streams = new Uint32Array(VECTOR_LENGTH);

  constructor(capacity: number, stage: SubflowStage, seed: number, observer: SessionObserver) {
    this.stage = stage;
    this.observer = observer;
    this.sessions = new Sessions(capacity, stage.subflows, seed);
    this.endings = new Endings(this.sessions, (session, close, atMicros) => this.end(session, close, atMicros));
    this.memberships = new Memberships(this.sessions, this.endings);
  }

  /** Gives every packet that still has none its fate. */
  process(vector: PacketVector): void {
    const { events: seen } = this.stage;
    const count = Math.min(vector.length, VECTOR_LENGTH);
    this.touch(vector, count);
    for (let i = 0; i < count; i++) {
      if (this.observer.octets === null) i = takeSteady(vector, seen, this.sessions, i, count);
      if (i === count) break;
      if (seen.replaced[i]! >= 0) this.replace(seen.replaced[i]!, vector.atMicros[i]!);
      if (vector.fate[i] === FATE_ALIVE) vector.fate[i] = this.take(vector, seen, i);
    }
    if (count > 0) this.advance(vector.atMicros[count - 1]!);
  }

  /** Loads the lines of all sessions of the vector before they are needed, in loops so short that the loads overlap. */
  private touch(vector: PacketVector, all: number): void {
    const { events: seen, subflows } = this.stage;
    const { hot } = subflows;
    const { words } = this.sessions.table;
    const { streams } = this;
    let count = 0;
    for (let i = 0; i < all; i++) {
      if (vector.fate[i] !== FATE_ALIVE) continue;
      const subflow = seen.subflow[i]!;
      const session = hot[subflow * flow.HOT_WORDS + flow.SESSION]!;
      if (session !== 0) streams[count++] = session * 2 - 2 + this.sessions.sideOf(subflow, seen.fromHigher[i]!);
    }
    let sum = this.sessions.outOfOrder.touch(streams, count);
    for (let i = 0; i < count; i++) {
      sum ^= words[(streams[i]! >>> 1) * table.SESSION_WORDS + table.SIDE + (streams[i]! & 1) * table.SIDE_WORDS]!;
    }
    this.touched[0] = sum;
  }

  /** Lets packet time pass. */
  advance(nowMicros: number): void {
    this.endings.advance(nowMicros);
  }

  /** Ends every session; those that had not ended by themselves for this reason. */
  finish(reason: "end-of-input" | "shutdown"): void {
    this.endings.finish(reason);
  }

  /** Another connection has taken the 4-tuple of a subflow: it is over, however it looked. */
  private replace(subflow: number, atMicros: number): void {
    const session = this.sessions.sessionOf(subflow);
    if (session < 0 || this.sessions.join(subflow) & join.IS_CLOSED) return;
    this.sessions.setJoin(subflow, join.IS_REPLACED);
    this.sessions.closeSubflow(subflow);
    this.endings.consider(session, atMicros);
  }

  private take(vector: PacketVector, seen: events.SubflowEvents, i: number): number {
    const { subflows } = this.stage;
    const kind = seen.kind[i]!;
    const subflow = seen.subflow[i]!;
    if (kind & events.OPENED && !this.open(vector, i, subflow)) {
      subflows.release(subflow);
      return TABLE_FULL;
    }
    const session = this.sessions.sessionOf(subflow);
    if (session < 0) return MIDSTREAM;
    if (this.sessions.table.state(session) & table.S_ORPHAN) return this.hold(vector, seen, i, session);
    if (this.isEarly(session, subflow)) {
      this.hold(vector, seen, i, session);
      return COUNTED;
    }
    const before = this.sessions.join(subflow);
    const isKnownBefore = this.isKnown(session);
    const atMicros = vector.atMicros[i]!;
    const fate = this.takeMember(vector, seen, i, subflow, kind);
    // Last, because packets that are replayed use the same columns.
    if (kind & (events.CLOSED | events.RESET)) this.takeClose(this.sessions.sessionOf(subflow), subflow, atMicros);
    if (~before & this.sessions.join(subflow) & join.IS_PROVEN) this.placeHeld(subflow, atMicros);
    if (!isKnownBefore && this.isKnown(session)) this.takeEarly(session);
    return fate;
  }

  /** Whether both keys are known, or will not be: the session goes on without the segment that carries them. */
  private isKnown(session: number): boolean {
    const state = this.sessions.table.state(session);
    return (state & table.S_CONFIRMED) !== 0 || (state & (3 * table.S_KEY)) === 3 * table.S_KEY;
  }

  /** A join that found its session while the handshake of that is under way, from an agent that is slower. */
  private isEarly(session: number, subflow: number): boolean {
    return (this.sessions.join(subflow) & join.IS_JOINED) !== 0 && !this.isKnown(session);
  }

  /** Takes what early joins said before their session was known. */
  private takeEarly(session: number): void {
    const { vector, events: seen } = this.held;
    for (const subflow of this.sessions.subflowsOf(session)) {
      if ((this.sessions.join(subflow) & join.IS_JOINED) === 0) continue;
      this.held.replay(subflow, () => {
        seen.kind[0]! &= ~events.OPENED;
        this.take(vector, seen, 0);
      });
    }
  }

  /** A packet of a subflow whose session is known. */
  private takeMember(
    vector: PacketVector,
    seen: events.SubflowEvents,
    i: number,
    subflow: number,
    kind: number,
  ): number {
    if (kind & ~(events.OPENED | events.DATA | events.HAS_DSS)) this.takeRare(vector, seen, i, subflow, kind);
    // An option can have shown that the subflow is another session's.
    const session = this.sessions.sessionOf(subflow);
    const state = this.sessions.table.state(session);
    if (state & table.S_MIDSTREAM) return MIDSTREAM;
    if (kind & events.HAS_DSS) {
      this.prove(seen, i, session, subflow);
      const isMember = (this.sessions.join(subflow) & (join.IS_INITIAL | join.IS_PROVEN)) !== 0;
      if ((state & table.S_CONFIRMED) === 0 && isMember) this.confirm(session, vector.atMicros[i]!);
    }
    if ((kind & (events.DATA | events.DATA_FIN | events.CLOSED | events.UNMAPPED_DATA)) === 0) return COUNTED;
    const word = this.sessions.join(subflow);
    if (isRefused(word)) return JOIN_REFUSED;
    if ((word & (join.IS_JOINED | join.IS_PROVEN)) === join.IS_JOINED) this.holdBack(vector, seen, i, session, subflow);
    else this.takeData(vector, seen, i, session, subflow);
    return COUNTED;
  }

  private open(vector: PacketVector, i: number, subflow: number): boolean {
    mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, this.options);
    return this.memberships.open(subflow, this.options, (vector.flags[i]! & SYN) !== 0, vector.atMicros[i]!);
  }

  private takeRare(vector: PacketVector, seen: events.SubflowEvents, i: number, subflow: number, kind: number): void {
    const session = this.sessions.sessionOf(subflow);
    const state = this.sessions.table.state(session);
    if (kind & events.OPTIONS) {
      mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, this.options);
      this.takeOptions(vector, i, session, subflow, seen.fromHigher[i]!);
    }
    if (kind & events.SYN_RETRIED_PLAIN) this.sessions.table.set(session, table.S_SYN_RETRIED_PLAIN);
    const isInitial = (this.sessions.join(subflow) & join.IS_INITIAL) !== 0;
    if (kind & events.SYN_ACK && isInitial && (this.sessions.table.state(session) & table.S_ANSWERED) === 0) {
      const retried = (state & table.S_SYN_RETRIED_PLAIN) !== 0;
      this.fallBackTo(
        session,
        subflow,
        retried ? "syn-retried-without-option" : "syn-ack-without-option",
        vector.atMicros[i]!,
      );
    }
    if (kind & events.INFINITE_MAPPING) this.fallBackTo(session, subflow, "infinite-mapping", vector.atMicros[i]!);
  }

  private takeOptions(vector: PacketVector, i: number, session: number, subflow: number, higher: number): void {
    const { options, sessions } = this;
    const atMicros = vector.atMicros[i]!;
    const side = sessions.sideOf(subflow, higher);
    const joinWord = sessions.join(subflow);
    let learnt: (0 | 1)[] = [];
    if (options.seen & (1 << mptcp.MP_CAPABLE) && joinWord & join.IS_INITIAL) {
      learnt = takeCapable(sessions, session, side, vector, i, options);
      if (sessions.table.state(session) & table.S_CAPABLE_ACK) this.confirm(session, atMicros);
    }
    if (options.seen & (1 << mptcp.MP_JOIN) && joinWord & join.IS_JOINED) {
      const isNew = takeJoin(sessions, session, subflow, vector, i, options);
      if (isRefused(sessions.join(subflow)) && !isRefused(joinWord))
        session = this.memberships.correctOwner(session, subflow, atMicros);
      if (isNew && options.joinLength === 24) this.observer.updated(session, atMicros);
    }
    if (
      options.seen & ((1 << mptcp.ADD_ADDR) | (1 << mptcp.REMOVE_ADDR)) &&
      takeAddresses(sessions, session, side, vector, i)
    ) {
      this.observer.updated(session, atMicros);
    }
    if (
      options.seen & (1 << mptcp.MP_FASTCLOSE) &&
      takeFastclose(sessions, session, side, vector.view, options.fastcloseKeyAt)
    ) {
      this.endings.consider(session, atMicros);
    }
    // Last, because packets that are replayed use `options` anew; and with both keys, for the HMACs.
    if (learnt.length > 0 && (sessions.table.state(session) & (3 * table.S_KEY)) === 3 * table.S_KEY) {
      this.adopt(session, 0, atMicros);
      this.adopt(session, 1, atMicros);
    }
  }

  private confirm(session: number, atMicros: number): void {
    const state = this.sessions.table.state(session);
    this.sessions.table.set(session, table.S_CONFIRMED | table.S_ESTABLISHED);
    if ((state & table.S_ESTABLISHED) === 0) this.observer.opened(session, atMicros);
  }

  private fallBackTo(session: number, subflow: number, cause: Parameters<typeof fallBack>[3], atMicros: number): void {
    const state = this.sessions.table.state(session);
    fallBack(this.sessions, session, subflow, cause, atMicros);
    this.sessions.table.set(session, table.S_ESTABLISHED);
    if ((state & table.S_ESTABLISHED) === 0) this.observer.opened(session, atMicros);
  }

  /** Packets of orphans whose session is known now are taken again; without room in it they are forgotten. */
  private adopt(session: number, side: 0 | 1, atMicros: number): void {
    const { vector, events: seen } = this.held;
    this.memberships.adopt(session, side, atMicros, (subflow, hasRoom) => {
      if (!hasRoom) {
        this.held.forget(subflow);
        this.stage.subflows.release(subflow);
        return;
      }
      this.held.replay(subflow, () => {
        // It is no new subflow any more.
        seen.kind[0]! &= ~events.OPENED;
        this.take(vector, seen, 0);
      });
      this.takeClose(session, subflow, atMicros);
    });
  }

  /**
   * Data of a join that nothing has shown to be the session's is not placed: anybody can send a SYN with a token that was
   * on the wire. RFC 8684 §3.2: the third ACK's HMAC shows it, and that the listener answers at data level, which it does
   * only when the HMAC was right. Where a key is not known nothing can, and the join is believed.
   */
  private prove(seen: events.SubflowEvents, i: number, session: number, subflow: number): void {
    const word = this.sessions.join(subflow);
    if ((word & (join.IS_JOINED | join.IS_PROVEN)) !== join.IS_JOINED || isRefused(word)) return;
    const keys = 3 * table.S_KEY;
    const state = this.stage.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
    const isListener = (seen.fromHigher[i] === 1) !== ((state & flow.STATE_OPENER_HIGHER) !== 0);
    if (isListener || (this.sessions.table.state(session) & keys) !== keys)
      this.sessions.setJoin(subflow, join.IS_PROVEN);
  }

  /** Places what was held back of a join that is the session's for certain now. */
  private placeHeld(subflow: number, atMicros: number): void {
    const { vector, events: seen } = this.held;
    this.held.replay(subflow, () => this.take(vector, seen, 0));
    this.takeClose(this.sessions.sessionOf(subflow), subflow, atMicros);
  }

  private holdBack(
    vector: PacketVector,
    seen: events.SubflowEvents,
    i: number,
    session: number,
    subflow: number,
  ): void {
    // What else the packet says is taken at once.
    const said = seen.kind[i]!;
    seen.kind[i]! &= events.DATA | events.DATA_FIN | events.UNMAPPED_DATA | events.CLOSED;
    if (!this.held.hold(vector, seen, i, this.observer.octets !== null)) {
      const side = this.sessions.sideOf(subflow, seen.fromHigher[i]!);
      this.sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    }
    seen.kind[i] = said;
  }

  /** Keeps what an orphan join says until the handshake of its session comes, which may be under way from another agent. */
  private hold(vector: PacketVector, seen: events.SubflowEvents, i: number, session: number): number {
    const kind = seen.kind[i]!;
    if (kind & events.OPTIONS) {
      mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, this.options);
      if (this.options.seen & (1 << mptcp.MP_JOIN)) {
        takeJoin(this.sessions, session, seen.subflow[i]!, vector, i, this.options);
      }
    }
    if ((kind & ~events.HAS_DSS) !== 0 && !this.held.hold(vector, seen, i, this.observer.octets !== null)) {
      this.sessions.noteUnplaced(session, 0, vector.payloadLength[i]!);
    }
    if (kind & (events.CLOSED | events.RESET)) this.takeClose(session, seen.subflow[i]!, vector.atMicros[i]!);
    return ORPHAN_JOIN;
  }

  private takeData(
    vector: PacketVector,
    seen: events.SubflowEvents,
    i: number,
    session: number,
    subflow: number,
  ): void {
    const { sessions } = this;
    const { octets } = this.observer;
    const side = sessions.sideOf(subflow, seen.fromHigher[i]!);
    if (sessions.join(subflow) & join.IS_INITIAL && seen.ssn[i] === 1) {
      // RFC 8684 §3.7: first data without an option, while nothing has shown that both sides speak MPTCP.
      const isCertain = (sessions.table.state(session) & table.S_CONFIRMED) !== 0;
      if (seen.kind[i]! & events.UNMAPPED_DATA && !isCertain) {
        this.fallBackTo(session, subflow, "ack-without-option", vector.atMicros[i]!);
      }
      // Without the key, the first mapping of the initial subflow tells where the stream begins: IDSN + 1 at ssn 1.
      if (seen.kind[i]! & events.DATA && seen.dsnForm[i] === events.DSN_64) {
        sessions.learnIdsn(session, side, seen.dsnHi[i]!, seen.dsnLo[i]!);
      }
    }
    if (sessions.isPlain(session)) takePlain(sessions, session, side, vector, seen, i, octets);
    else takeMapped(sessions, session, side, vector, seen, i, octets);
    if (seen.kind[i]! & events.DATA_FIN) this.endings.consider(session, vector.atMicros[i]!);
  }

  private takeClose(session: number, subflow: number, atMicros: number): void {
    const state = this.stage.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
    const bothFins = 3 * flow.STATE_FIN;
    if ((state & flow.STATE_RESET) === 0 && (state & bothFins) !== bothFins) return;
    const wasClosed = (this.sessions.join(subflow) & join.IS_CLOSED) !== 0;
    this.sessions.closeSubflow(subflow);
    this.endings.consider(session, atMicros);
    if (!wasClosed) this.observer.updated(session, atMicros);
  }

  private end(session: number, close: Close, atMicros: number): void {
    this.endings.forget(session);
    if (this.sessions.table.state(session) & table.S_ORPHAN) {
      for (const subflow of this.sessions.subflowsOf(session)) this.held.forget(subflow);
    }
    this.observer.ended(session, close, atMicros);
    this.sessions.release(session);
  }
}
