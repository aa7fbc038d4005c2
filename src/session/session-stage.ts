import { FATE_ALIVE, fateOf } from "../fate.ts";
import { forVector } from "../for-vector.ts";
import { PacketClock } from "../packet-clock.ts";
import type { Bounds, TableUse } from "../pipeline-contract.ts";
import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-row.ts";
import type { SubflowStage } from "../subflow/subflow-stage.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import { takeAcknowledged } from "./acknowledgments.ts";
import { takeChecked } from "./checksums.ts";
import { takeOctets } from "./data.ts";
import { type Close, Endings } from "./ending.ts";
import { causeOfPlainData } from "./fallback.ts";
import { isRefused, takeJoin } from "./join.ts";
import { proveJoin } from "./join-proof.ts";
import * as join from "./join-state.ts";
import { LaterPackets } from "./later-packets.ts";
import { Memberships } from "./memberships.ts";
import { takePartial } from "./partial-streams.ts";
import { PlacedPackets } from "./placed-packets.ts";
import { Placement } from "./placement.ts";
import { Room } from "./room.ts";
import { lineToucher } from "./session-lines.ts";
import type { SessionObserver } from "./session-observer.ts";
import * as table from "./session-table.ts";
import { Sessions } from "./sessions.ts";
import { Settlement } from "./settlement.ts";
import { Signalling } from "./signalling.ts";
import { steadyTaker } from "./steady-path.ts";
import { WaitingJoins } from "./waiting-joins.ts";

const TABLE_FULL = fateOf("session/table-full");
const MIDSTREAM = fateOf("session/midstream");
const ORPHAN_JOIN = fateOf("session/orphan-join");
const JOIN_REFUSED = fateOf("session/join-refused");
const COUNTED = fateOf("session/counted");

/** What concerns the octets of a stream, or its end. */
const SAYS_OCTETS = events.DATA | events.DATA_FIN | events.CLOSED | events.UNMAPPED_DATA;
const BOTH_KEYS = 3 * table.S_KEY;

/** The third stage: takes each subflow event to its session, verifies, reassembles, and decides fallback and end. */
export class SessionStage {
  readonly sessions: Sessions;
  private readonly stage: SubflowStage;
  private readonly observer: SessionObserver;
  private readonly clock = new PacketClock();
  private readonly endings: Endings;
  private readonly memberships: Memberships;
  private readonly signalling: Signalling;
  private readonly waiting: WaitingJoins;
  private readonly settlement: Settlement;
  private readonly later = new LaterPackets();
  private readonly placement: Placement;
  private readonly placed = new PlacedPackets();
  private readonly loopsOf = forVector((vector) => ({
    touch: lineToucher(vector, this.stage.events, this.sessions),
    takeSteady: steadyTaker(vector, this.stage.events, this.sessions, this.placed),
  }));

  constructor(bounds: Bounds, stage: SubflowStage, seed: number, observer: SessionObserver) {
    this.stage = stage;
    this.observer = observer;
    this.sessions = new Sessions(bounds, stage.subflows, seed, observer.octets);
    stage.mappings.watched.sums.ring = this.sessions.octets.ring;
    this.placement = new Placement(this.sessions);
    this.endings = new Endings(this.sessions, (session, close, atMicros) => this.end(session, close, atMicros));
    const room = new Room(this.sessions, this.endings, bounds.pendingJoins, (subflow) => this.waiting.forget(subflow));
    stage.makeRoom = (atMicros) => room.forSubflow(atMicros);
    this.memberships = new Memberships(this.sessions, this.endings, room, {
      subflow: (subflow) => this.waiting.forget(subflow),
      session: (session) => observer.merged(session),
    });
    this.signalling = new Signalling(this.placement, this.endings, this.memberships, room, observer);
    this.waiting = new WaitingJoins(this.sessions, bounds.heldPackets, (vector, seen, i) => this.take(vector, seen, i));
    this.settlement = new Settlement(
      this.sessions,
      this.memberships,
      this.waiting,
      observer.partial,
      (session, subflow, at) => this.takeClose(session, subflow, at),
    );
  }

  /** Packet time, as far as it is believed. */
  get now(): number {
    return this.clock.now;
  }

  /** Packets that are held for a join whose handshake or proof may yet come. */
  get heldUse(): TableUse {
    return this.waiting.use;
  }

  /** Gives every packet that still has none its fate. */
  process(vector: PacketVector): void {
    const { events: seen } = this.stage;
    const count = Math.min(vector.length, VECTOR_LENGTH);
    // Else what waits since the very first packets would have waited since 1970.
    if (this.clock.now === 0 && count > 0) this.advance(vector.atMicros[0]!);
    const { touch, takeSteady } = this.loopsOf(vector);
    touch(count);
    for (let i = 0; i < count; i++) {
      i = takeSteady(i, count);
      this.placed.handOn(this.sessions, vector, seen);
      if (i === count) break;
      const replaced = seen.replaced[i]!;
      if (replaced >= 0) this.replace(replaced, vector.atMicros[i]!);
      if (vector.fate[i] === FATE_ALIVE) vector.fate[i] = this.take(vector, seen, i);
      // Its 4-tuple is another flow's, whether or not that is the one that was asked for.
      if (replaced >= 0) this.stage.subflows.askedJoins.forget(replaced);
    }
    this.stage.mappings.watched.releasePlain();
    this.later.each(this.stage.mappings.watched.later, (of, seenOf) => this.take(of, seenOf, 0));
    const { sums } = this.stage.mappings.watched;
    for (let n = 0; n < sums.count; n++) takeChecked(this.sessions, sums.checked[n]!);
    this.stage.mappings.watched.clear();
    if (count > 0) this.advance(vector.atMicros[count - 1]!);
  }

  /** Lets packet time pass. */
  advance(nowMicros: number): void {
    const believed = this.clock.read(nowMicros);
    this.sessions.octets.advance(believed);
    this.settlement.advance(believed);
    this.endings.advance(believed);
  }

  /** Ends every session, one at each step; those that had not ended by themselves for this reason. */
  *finishing(reason: "end-of-input" | "shutdown"): Generator<void> {
    this.settlement.finish();
    yield* this.endings.finishing(reason);
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
    const kind = seen.kind[i]!;
    const subflow = seen.subflow[i]!;
    if (kind & events.OPENED && !this.open(vector, seen, i, subflow)) {
      this.sessions.releaseSubflow(subflow);
      return TABLE_FULL;
    }
    const session = this.sessions.sessionOf(subflow);
    if (session < 0) return this.takeTranslated(vector, seen, i);
    if (kind & events.SYN_ACK) this.sessions.pending.remove(subflow);
    const stateBefore = this.sessions.table.state(session);
    if (this.sessions.awaitsHandshake(session)) {
      this.wait(vector, seen, i, session, subflow);
      return ORPHAN_JOIN;
    }
    if (this.waiting.isEarly(session, subflow)) {
      this.wait(vector, seen, i, session, subflow);
      return COUNTED;
    }
    const joinBefore = this.sessions.join(subflow);
    const isKnownBefore = this.waiting.isKnown(session);
    // Now, because packets that have waited and are taken again may use the same columns.
    const atMicros = vector.atMicros[i]!;
    const fate = this.takeMember(vector, seen, i, subflow);
    if (this.sessions.sessionOf(subflow) < 0) return fate;
    if (kind & (events.CLOSED | events.RESET)) this.takeClose(this.sessions.sessionOf(subflow), subflow, atMicros);
    if (~joinBefore & this.sessions.join(subflow) & join.IS_PROVEN) {
      this.waiting.release(subflow);
      this.takeClose(this.sessions.sessionOf(subflow), subflow, atMicros);
    }
    if (isKnownBefore) return fate;
    const hasKeys = (state: number): boolean => (state & BOTH_KEYS) === BOTH_KEYS;
    if (!hasKeys(stateBefore) && hasKeys(this.sessions.table.state(session))) this.settlement.adopt(session, atMicros);
    if (this.waiting.isKnown(session)) this.settlement.releaseEarly(session, atMicros);
    return fate;
  }

  /** A packet of a flow that turned out, in this vector, to be a known subflow behind an address translator. */
  private takeTranslated(vector: PacketVector, seen: events.SubflowEvents, i: number): number {
    const translation = this.stage.subflows.translations.of(seen.subflow[i]!);
    if (translation === undefined) return MIDSTREAM;
    seen.subflow[i] = translation.subflow;
    seen.fromHigher[i]! ^= translation.swapped;
    seen.kind[i]! &= ~events.OPENED;
    this.placement.areCopies = true;
    const fate = this.take(vector, seen, i);
    this.placement.areCopies = false;
    return fate;
  }

  private open(vector: PacketVector, seen: events.SubflowEvents, i: number, subflow: number): boolean {
    const options = this.signalling.read(vector, i);
    if (seen.kind[i]! & events.RIVAL && options.seen & (1 << mptcp.MP_JOIN))
      return this.memberships.openRival(subflow, seen.rivalOf[i]!, vector.atMicros[i]!);
    // The answer to a SYN has taken the 4-tuple for it.
    const asked = this.stage.subflows.askedJoins.of(seen.replaced[i]!);
    if (asked !== undefined && options.seen & (1 << mptcp.MP_JOIN) && (vector.flags[i]! & (SYN | ACK)) === (SYN | ACK))
      return this.memberships.openAsked(subflow, asked, vector.atMicros[i]!);
    return this.memberships.open(subflow, options, (vector.flags[i]! & SYN) !== 0, vector.atMicros[i]!);
  }

  /** A packet of a subflow whose session is known. */
  private takeMember(vector: PacketVector, seen: events.SubflowEvents, i: number, subflow: number): number {
    const kind = seen.kind[i]!;
    const isRare = (kind & ~(events.OPENED | events.DATA | events.HAS_DSS)) !== 0;
    if (isRare && !this.signalling.take(vector, seen, i, subflow)) return this.takeTranslated(vector, seen, i);
    // An option can have shown that the subflow is another session's.
    const session = this.sessions.sessionOf(subflow);
    const state = this.sessions.table.state(session);
    if (state & (table.S_MIDSTREAM | table.S_SETTLED)) return this.takeUnopened(vector, seen, i, session, subflow);
    if (kind & events.HAS_DSS) {
      proveJoin(this.sessions, session, subflow, vector, seen, i);
      const isMember = (this.sessions.join(subflow) & (join.IS_INITIAL | join.IS_PROVEN)) !== 0;
      if ((state & table.S_CONFIRMED) === 0 && isMember) this.signalling.confirm(session, vector.atMicros[i]!);
    }
    const word = this.sessions.join(subflow);
    const isProven = (word & (join.IS_JOINED | join.IS_PROVEN)) !== join.IS_JOINED;
    if (isProven && !isRefused(word)) {
      const side = this.sessions.sideOf(subflow, seen.fromHigher[i]!);
      takeAcknowledged(this.sessions, session, side, vector, seen, i);
    }
    if ((kind & SAYS_OCTETS) === 0) return COUNTED;
    if (isRefused(word)) return JOIN_REFUSED;
    if (!isProven) this.waiting.holdBack(vector, seen, i, session);
    else this.takeData(vector, seen, i, session, subflow);
    return COUNTED;
  }

  /** A packet of a session of which no handshake was seen, nor will be. */
  private takeUnopened(
    vector: PacketVector,
    seen: events.SubflowEvents,
    i: number,
    session: number,
    subflow: number,
  ): number {
    const kind = seen.kind[i]!;
    if (this.observer.partial && kind & SAYS_OCTETS) {
      const side = this.sessions.sideOf(subflow, seen.fromHigher[i]!);
      takePartial(this.placement, session, side, vector, seen, i);
      if (kind & events.DATA_FIN) this.endings.consider(session, vector.atMicros[i]!);
    }
    return this.sessions.table.state(session) & table.S_ORPHAN ? ORPHAN_JOIN : MIDSTREAM;
  }

  /** Keeps what a join says whose session is not known, or not yet for certain. */
  private wait(vector: PacketVector, seen: events.SubflowEvents, i: number, session: number, subflow: number): void {
    const kind = seen.kind[i]!;
    if (kind & events.OPTIONS) {
      const options = this.signalling.read(vector, i);
      if (options.seen & (1 << mptcp.MP_JOIN)) {
        takeJoin(this.sessions, session, subflow, vector, i, options);
        if (this.memberships.unify(subflow)) return;
      }
    }
    this.waiting.hold(vector, seen, i, session);
    if (kind & (events.CLOSED | events.RESET)) this.takeClose(session, subflow, vector.atMicros[i]!);
  }

  private takeData(
    vector: PacketVector,
    seen: events.SubflowEvents,
    i: number,
    session: number,
    subflow: number,
  ): void {
    const { sessions } = this;
    const side = sessions.sideOf(subflow, seen.fromHigher[i]!);
    if (seen.kind[i]! & events.UNMAPPED_DATA) {
      const cause = causeOfPlainData(sessions, session, subflow, seen.kind[i]!, seen.ssn[i]!);
      if (cause !== null) this.signalling.fallBackTo(session, subflow, cause, vector.atMicros[i]!);
    } else if (sessions.join(subflow) & join.IS_INITIAL && seen.ssn[i] === 1) {
      // Without the key, the first mapping of the initial subflow tells where the stream begins: IDSN + 1 at ssn 1.
      if (seen.kind[i]! & events.DATA && seen.dsnForm[i] === events.DSN_64) {
        sessions.learnIdsn(session, side, seen.dsnHi[i]!, seen.dsnLo[i]!);
      }
    }
    takeOctets(this.placement, session, side, vector, seen, i);
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
    if (this.settlement.mustSettle(session) && this.settlement.settle(session) !== session) return;
    this.endings.forget(session);
    for (const subflow of this.sessions.subflowsOf(session)) this.waiting.forget(subflow);
    this.observer.ended(session, close, atMicros);
    this.sessions.release(session);
  }
}
