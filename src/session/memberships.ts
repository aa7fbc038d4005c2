import type { AskedJoin } from "../subflow/asked-joins.ts";
import * as flow from "../subflow/subflow-row.ts";
import * as mptcp from "../wire/mptcp.ts";
import type { Dsn } from "./dsn.ts";
import type { Endings } from "./ending.ts";
import { findOwner, isStranger, mayJoin, rightfulOwner, verifySynAck, verifyThirdAck } from "./join.ts";
import * as join from "./join-state.ts";
import { learnOrigin, shareStream } from "./partial-streams.ts";
import type { Room } from "./room.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";
import { initialTwin, joinTwin } from "./twins.ts";

/** Told of what turned out to be another one, before its number is forgotten. */
interface Leaving {
  subflow(subflow: number): void;
  session(session: number): void;
}

/** Decides which session a subflow belongs to, and corrects it when more is known. */
export class Memberships {
  private readonly sessions: Sessions;
  private readonly endings: Endings;

  private readonly room: Room;
  private readonly leaving: Leaving;

  constructor(sessions: Sessions, endings: Endings, room: Room, leaving: Leaving) {
    this.sessions = sessions;
    this.endings = endings;
    this.room = room;
    this.leaving = leaving;
  }

  /**
   * Gives a new subflow to a session: its own, the one it joins, or one that stands for what was not seen. `options` are
   * those of its first packet. False when a table is full.
   */
  open(subflow: number, options: mptcp.MptcpOptions, isSyn: boolean, atMicros: number): boolean {
    if (options.seen & (1 << mptcp.MP_CAPABLE)) {
      const session = this.allocate(atMicros);
      if (session < 0) return false;
      this.sessions.setJoin(subflow, join.IS_INITIAL);
      return this.sessions.attach(session, subflow);
    }
    if (options.seen & (1 << mptcp.MP_JOIN) && options.joinLength === mptcp.JOIN_SYN_LENGTH && isSyn) {
      // Now, because what gives way may be told of, and `options` used anew.
      const { joinToken } = options;
      this.room.notePending(subflow, atMicros);
      return this.openJoin(subflow, joinToken, atMicros);
    }
    return this.openStandIn(subflow, table.S_MIDSTREAM, 0, atMicros);
  }

  /** As `open`, of a join's second SYN/ACK: what its SYN said was said to the subflow that was answered first. */
  openRival(subflow: number, first: number, atMicros: number): boolean {
    const { sessions } = this;
    const said = sessions.join(first);
    if ((said & join.SAW_SYN) === 0) return this.openStandIn(subflow, table.S_MIDSTREAM, 0, atMicros);
    const { cold } = sessions.subflows;
    for (const field of [flow.JOIN_TOKEN, flow.NONCE])
      cold[subflow * flow.COLD_WORDS + field] = cold[first * flow.COLD_WORDS + field]!;
    sessions.setJoin(subflow, said & (join.SAW_SYN | join.BACKUP | (0xff << join.OPENER_ADDRESS_ID)));
    return this.openJoin(subflow, cold[subflow * flow.COLD_WORDS + flow.JOIN_TOKEN]!, atMicros);
  }

  /** As `open`, of the SYN/ACK of a join whose SYN said this while another flow had the 4-tuple. */
  openAsked(subflow: number, { token, nonce, addressId, backup }: AskedJoin, atMicros: number): boolean {
    const { cold } = this.sessions.subflows;
    cold[subflow * flow.COLD_WORDS + flow.JOIN_TOKEN] = token;
    cold[subflow * flow.COLD_WORDS + flow.NONCE] = nonce;
    this.sessions.setJoin(subflow, join.SAW_SYN | (backup ? join.BACKUP : 0) | (addressId << join.OPENER_ADDRESS_ID));
    return this.openJoin(subflow, token, atMicros);
  }

  private openJoin(subflow: number, token: number, atMicros: number): boolean {
    // Of whoever had its number before.
    this.sessions.rare.thirdAcks.forget(subflow);
    const owner = findOwner(this.sessions, subflow, token);
    this.sessions.setJoin(subflow, join.IS_JOINED);
    if (owner >= 0 && this.attachJoin(owner, subflow, atMicros)) return true;
    return this.openStandIn(subflow, table.S_ORPHAN, token, atMicros);
  }

  /** @param owner session * 2 + side of the token's owner, who is the listener of the join */
  private attachJoin(owner: number, subflow: number, atMicros: number): boolean {
    const session = owner >> 1;
    if (this.sessions.isFull(session)) this.room.forJoin(session);
    if (!this.sessions.attach(session, subflow)) return false;
    if ((owner & 1) === 0) this.sessions.setJoin(subflow, join.OPENED_BY_RESPONDER);
    this.endings.consider(owner >> 1, atMicros);
    return true;
  }

  /** Makes a session that stands for what was not seen: a join whose owner is not known, or neither handshake nor join. */
  private openStandIn(subflow: number, evidence: number, token: number, atMicros: number): boolean {
    // Nobody makes room for what was not seen to begin.
    const session = this.sessions.table.allocate(atMicros);
    if (session < 0) return false;
    this.sessions.young.add(session);
    // What runs in the middle has been confirmed before.
    const confirmed = evidence === table.S_MIDSTREAM ? table.S_CONFIRMED : 0;
    this.sessions.table.set(session, evidence | table.S_ESTABLISHED | confirmed);
    if (evidence === table.S_ORPHAN) {
      this.sessions.table.words[session * table.SESSION_WORDS + table.TOKEN + 1] = token;
      this.sessions.tokens.add(session, 1);
    }
    return this.sessions.attach(session, subflow);
  }

  private allocate(atMicros: number): number {
    let session = this.sessions.table.allocate(atMicros);
    if (session < 0 && this.room.forSession(atMicros)) session = this.sessions.table.allocate(atMicros);
    if (session >= 0) this.sessions.young.add(session);
    return session;
  }

  /** Whether a subflow is one that is known already, seen elsewhere with other addresses; it is that one's then. */
  unify(subflow: number): boolean {
    const { sessions } = this;
    const session = sessions.sessionOf(subflow);
    if (sessions.join(subflow) & join.IS_JOINED) {
      const twin = joinTwin(sessions, subflow);
      if (twin < 0) return false;
      // The one that was seen first gives the record its addresses.
      const isLater = sessions.startMicros(subflow) >= sessions.startMicros(twin);
      const [gone, kept] = isLater ? [subflow, twin] : [twin, subflow];
      if (!sessions.unify(gone, kept)) return false;
      this.leaving.subflow(gone);
      return isLater;
    }
    const twin = initialTwin(sessions, session);
    if (twin < 0 || !sessions.unify(subflow, twin)) return false;
    this.leaving.subflow(subflow);
    this.dissolve(session);
    return true;
  }

  /**
   * The handshake of an orphan is not waited for any more: it becomes a session of its own, or part of another of the same
   * token whose data lie in the same data sequence space. `lowest` are the first data of its sides. Returns that session.
   */
  settle(orphan: number, lowest: readonly [Dsn | null, Dsn | null]): number {
    const { sessions } = this;
    const others = sessions.tokens.streamsOf(sessions.tokens.of(orphan, 1)).map((stream) => stream >> 1);
    const sibling = others.find(
      (other) => sessions.table.state(other) & table.S_SETTLED && shareStream(sessions, other, lowest),
    );
    if (sibling === undefined) {
      for (const side of [0, 1] as const) if (lowest[side] !== null) learnOrigin(sessions, orphan, side, lowest[side]);
      sessions.table.set(orphan, table.S_SETTLED | table.S_CONFIRMED);
      return orphan;
    }
    sessions.inherit(sibling, 1, orphan);
    for (const subflow of sessions.subflowsOf(orphan)) {
      sessions.detach(orphan, subflow);
      sessions.clearJoin(subflow, join.IS_CLOSED);
      if (sessions.attach(sibling, subflow)) continue;
      this.leaving.subflow(subflow);
      sessions.releaseSubflow(subflow);
    }
    this.dissolve(orphan);
    return sibling;
  }

  /**
   * A wrong HMAC may mean that the token is another session's too (src/session/join.ts), of those that are known or of one
   * that is not: then the subflow is an orphan. Returns the session that it is in now.
   */
  correctOwner(session: number, subflow: number, atMicros: number): number {
    const { sessions } = this;
    const owner = rightfulOwner(sessions, subflow);
    if (owner >> 1 === session) return session;
    const listener = sessions.join(subflow) & join.OPENED_BY_RESPONDER ? 0 : 1;
    if (owner < 0 && !isStranger(sessions, session * 2 + listener, subflow)) return session;
    // Asked first: what the session says of a subflow that left it does not come back with it.
    if (!this.hasRoom(owner)) {
      const without = owner < 0 ? session : owner >> 1;
      sessions.table.words[without * table.SESSION_WORDS + table.SHED_SUBFLOWS]!++;
      return session;
    }
    const token = sessions.subflows.cold[subflow * flow.COLD_WORDS + flow.JOIN_TOKEN]!;
    sessions.detach(session, subflow);
    sessions.clearJoin(subflow, (3 << join.LISTENER_VERDICT) | join.OPENED_BY_RESPONDER);
    if (owner < 0) this.openStandIn(subflow, table.S_ORPHAN, token, atMicros);
    else this.attachJoin(owner, subflow, atMicros);
    this.endings.consider(session, atMicros);
    const rightful = sessions.sessionOf(subflow);
    verifySynAck(sessions, rightful, subflow);
    return rightful;
  }

  /** Whether a join can go to its owner (session * 2 + side) or, for -1, stand as an orphan; makes room in a session. */
  private hasRoom(owner: number): boolean {
    const { table: all } = this.sessions;
    if (owner < 0) return all.live < all.capacity;
    return !this.sessions.isFull(owner >> 1) || this.room.forJoin(owner >> 1);
  }

  /**
   * Orphan joins that carry the token of a session both of whose keys are known now are its own. `moved` is called for
   * each with whether there was room for it.
   */
  adopt(session: number, atMicros: number, moved: (subflow: number, hasRoom: boolean) => void): void {
    this.adoptOf(session, 0, atMicros, moved);
    this.adoptOf(session, 1, atMicros, moved);
  }

  private adoptOf(
    session: number,
    side: 0 | 1,
    atMicros: number,
    moved: (subflow: number, hasRoom: boolean) => void,
  ): void {
    const { sessions } = this;
    if (!sessions.tokens.isShared(session, side)) return;
    for (const stream of sessions.tokens.streamsOf(sessions.tokens.of(session, side))) {
      const orphan = stream >> 1;
      if (orphan === session || !sessions.awaitsHandshake(orphan)) continue;
      const own = sessions.subflowsOf(orphan).filter((subflow) => mayJoin(sessions, session * 2 + side, subflow));
      if (own.length === 0) continue;
      sessions.inherit(session, side, orphan);
      for (const subflow of own) {
        sessions.detach(orphan, subflow);
        sessions.clearJoin(subflow, join.IS_CLOSED);
        const hasRoom = this.attachJoin(session * 2 + side, subflow, atMicros);
        // The HMACs are kept, even when their packets waited too long to be replayed.
        if (hasRoom) {
          verifySynAck(sessions, session, subflow);
          verifyThirdAck(sessions, session, subflow);
        }
        moved(subflow, hasRoom);
      }
      if (sessions.subflowsOf(orphan).length === 0) this.dissolve(orphan);
    }
  }

  /** A session turned out to be part of another one: it ends without a record. */
  private dissolve(session: number): void {
    this.endings.forget(session);
    this.leaving.session(session);
    this.sessions.release(session);
  }
}
