import type { TableUse } from "../pipeline-contract.ts";
import * as events from "../subflow/subflow-events.ts";
import type { PacketVector } from "../vector.ts";
import { acknowledgedOf } from "./acknowledged.ts";
import { type Dsn, dsnOf, isLower } from "./dsn.ts";
import { HeldPackets } from "./held-packets.ts";
import * as join from "./join-state.ts";
import { isOneDirection, isTaken } from "./one-direction.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** What a packet of an unproven join says that waits for the proof; all else is taken at once. */
const NEEDS_PROOF = events.DATA | events.DATA_FIN | events.UNMAPPED_DATA | events.CLOSED;

/**
 * Packets of joins that cannot be taken yet: an orphan's, whose session's handshake may be under way from another agent;
 * early ones, whose session is known while the rest of its handshake is under way; and data of a join that nothing has
 * shown to be the session's. When what they wait for has come, they are taken again.
 */
export class WaitingJoins {
  private readonly sessions: Sessions;
  private readonly take: (vector: PacketVector, seen: events.SubflowEvents, i: number) => void;
  private readonly held: HeldPackets;
  /** By subflow of which something waits: what `isTaken` saw last, so that it looks again only when there is more. */
  private readonly looked = new Map<number, { readonly acknowledged: number; readonly packets: number }>();

  /**
   * @param most packets that may wait at a time
   * @param take takes a packet that has waited
   */
  constructor(
    sessions: Sessions,
    most: number,
    take: (vector: PacketVector, seen: events.SubflowEvents, i: number) => void,
  ) {
    this.sessions = sessions;
    this.held = new HeldPackets(most);
    this.take = take;
  }

  /** Whether both keys are known, or will not be: the session goes on without the segment that carries them. */
  isKnown(session: number): boolean {
    const state = this.sessions.table.state(session);
    return (state & (table.S_CONFIRMED | table.S_SETTLED)) !== 0 || (state & (3 * table.S_KEY)) === 3 * table.S_KEY;
  }

  /** A join that found its session while the handshake of that is under way, from an agent that is slower. */
  isEarly(session: number, subflow: number): boolean {
    return (this.sessions.join(subflow) & join.IS_JOINED) !== 0 && !this.isKnown(session);
  }

  /** Keeps a packet of an orphan or early join. */
  hold(vector: PacketVector, seen: events.SubflowEvents, i: number, session: number): void {
    if ((seen.kind[i]! & ~events.HAS_DSS) === 0) return;
    if (!this.held.hold(vector, seen, i)) {
      const side = this.sessions.sideOf(seen.subflow[i]!, seen.fromHigher[i]!);
      this.sessions.noteUnplaced(session, side, vector.payloadLength[i]!);
    }
  }

  /** Gives up what has waited too long: its octets count as not placed. */
  giveUp(subflow: number, nowMicros: number): void {
    const session = this.sessions.sessionOf(subflow);
    const { vector, events: seen } = this.held;
    this.looked.delete(subflow);
    this.held.giveUp(subflow, nowMicros, () => {
      const side = this.sessions.sideOf(subflow, seen.fromHigher[0]!);
      if (session >= 0) this.sessions.noteUnplaced(session, side, vector.payloadLength[0]!);
    });
  }

  /** Whether it is time to look at what waits. */
  isDue(nowMicros: number): boolean {
    return this.held.isDue(nowMicros);
  }

  /** Whether a packet of a subflow has waited too long at this packet time. */
  isOverdue(subflow: number, nowMicros: number): boolean {
    return this.held.isOverdue(subflow, nowMicros);
  }

  /** Whether the listener of a join, which was never seen, has what waits of it. */
  isTaken(subflow: number): boolean {
    const { sessions } = this;
    if (!isOneDirection(sessions, subflow)) return false;
    const opener = sessions.join(subflow) & join.OPENED_BY_RESPONDER ? 1 : 0;
    const acknowledged = acknowledgedOf(sessions, sessions.sessionOf(subflow), opener);
    if (acknowledged === null) return false;
    const packets = this.held.count(subflow);
    const before = this.looked.get(subflow);
    if (before?.acknowledged === acknowledged && before.packets === packets) return false;
    this.looked.set(subflow, { acknowledged, packets });
    let found = false;
    this.held.look(subflow, () => {
      const { events: seen } = this.held;
      found ||= isTaken(sessions, sessions.sessionOf(subflow), sessions.sideOf(subflow, seen.fromHigher[0]!), seen);
    });
    return found;
  }

  /** Whether so much waits that there may soon be no more room. */
  get isCrowded(): boolean {
    return this.held.isHalfFull;
  }

  /** Packets that wait. */
  get use(): TableUse {
    return this.held.use;
  }

  /** Subflows of which something waits. */
  get subflows(): number[] {
    return this.held.subflows;
  }

  /** The lowest data sequence number that waits of each side of a session, of 64 bits where one was stated; null for none. */
  lowest(session: number): [Dsn | null, Dsn | null] {
    const found: [Dsn | null, Dsn | null] = [null, null];
    for (const subflow of this.sessions.subflowsOf(session)) {
      this.held.look(subflow, () => {
        const { events: seen } = this.held;
        const dsn = dsnOf(seen, 0);
        const side = this.sessions.sideOf(subflow, seen.fromHigher[0]!);
        if (dsn !== null && isLower(dsn, found[side])) found[side] = dsn;
      });
    }
    return found;
  }

  /** Keeps the data of a packet of an unproven join. */
  holdBack(vector: PacketVector, seen: events.SubflowEvents, i: number, session: number): void {
    const said = seen.kind[i]!;
    seen.kind[i]! &= NEEDS_PROOF;
    this.hold(vector, seen, i, session);
    seen.kind[i] = said;
  }

  /** Takes what was kept of a subflow, which is no new one any more. */
  release(subflow: number): void {
    const { vector, events: seen } = this.held;
    this.looked.delete(subflow);
    this.held.replay(subflow, () => {
      seen.kind[0]! &= ~events.OPENED;
      this.take(vector, seen, 0);
    });
  }

  /** Forgets what was kept of a subflow. */
  forget(subflow: number): void {
    this.looked.delete(subflow);
    this.held.forget(subflow);
  }
}
