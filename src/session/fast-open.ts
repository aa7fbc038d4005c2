import type { SubflowEvents } from "../subflow/subflow-events.ts";
import type { PacketVector } from "../vector.ts";
import { ACK, SYN } from "../wire/tcp.ts";
import type { Placement } from "./placement.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** Octets of SYNs kept until their SYN/ACK comes; beyond them a SYN's are shed. */
const MAX_KEPT_OCTETS = 4 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

interface SynOctets {
  readonly length: number;
  /** How many of them the copy holds. */
  readonly captured: number;
  /** Those; null where a bound was met. */
  octets: Uint8Array | null;
  readonly subflow: number;
  readonly agent: number;
  /** How many the SYN/ACK acknowledged; null while it was not seen. */
  accepted: number | null;
  /** Data came before that was known. */
  isLate: boolean;
}

/** What initiators sent in their SYNs (RFC 7413). At most one SYN of each session of the table is kept. */
export class FastOpens {
  private readonly syns = new Map<number, SynOctets>();
  private kept = 0;

  /**
   * How far IDSN + 1 lies behind the first octet of the initiator's stream: octets that were acknowledged in its SYN.
   * Null while that is not known.
   */
  shift(session: number): number | null {
    const syn = this.syns.get(session);
    return syn === undefined ? 0 : syn.accepted;
  }

  /** Keeps the octets of a session's SYN. */
  hold(session: number, length: number, present: Uint8Array, subflow: number, agent: number): void {
    const isRoom = this.kept + present.length <= MAX_KEPT_OCTETS;
    const octets = isRoom ? new Uint8Array(present) : null;
    this.kept += octets?.length ?? 0;
    this.syns.set(session, { length, captured: present.length, octets, subflow, agent, accepted: null, isLate: false });
  }

  /** Says how many octets were acknowledged, and hands the SYN's over; null when that was said before or there are none. */
  accept(session: number, accepted: number): SynOctets | null {
    const syn = this.syns.get(session);
    if (syn === undefined || syn.accepted !== null) return null;
    this.kept -= syn.octets?.length ?? 0;
    this.syns.set(session, { ...syn, octets: NOTHING, accepted: Math.min(accepted, syn.length) });
    return syn;
  }

  /** Notes that data came of a session of whose SYN nobody knows how much was acknowledged. */
  noteEarlyData(session: number): void {
    const syn = this.syns.get(session);
    if (syn !== undefined) syn.isLate = true;
  }

  /**
   * Whether data of a session's initial subflow may have been numbered from the wrong place: before its SYN/ACK was seen
   * nobody knows where the octets of the SYN end.
   */
  isMisplaced(session: number): boolean {
    const syn = this.syns.get(session);
    return syn !== undefined && (syn.accepted === null || syn.isLate);
  }

  /** Forgets a session's. */
  forget(session: number): void {
    this.kept -= this.syns.get(session)?.octets?.length ?? 0;
    this.syns.delete(session);
  }
}

/**
 * Takes what a SYN or SYN/ACK of an initial subflow says of octets in the SYN: the first of the stream, before IDSN + 1,
 * without a mapping (RFC 8684 §B). They count once the SYN/ACK has acknowledged them; what it has not, comes again.
 */
export function takeFastOpen(
  placement: Placement,
  session: number,
  vector: PacketVector,
  seen: SubflowEvents,
  i: number,
): void {
  const { sessions } = placement;
  const { fastOpens } = sessions.rare;
  const isAnswer = (vector.flags[i]! & (SYN | ACK)) === (SYN | ACK);
  if (!isAnswer) {
    const length = vector.payloadLength[i]!;
    if (length === 0 || sessions.table.state(session) & table.S_FAST_OPEN) return;
    if (hasOctets(sessions, session)) {
      // Its SYN/ACK came first, from another agent, and data after it: their places are given.
      sessions.noteUnplaced(session, 0, seen.ssn[i]!);
      return;
    }
    const at = vector.payloadAt[i]!;
    const present = vector.block.subarray(at, at + vector.payloadCaptured[i]!);
    fastOpens.hold(session, length, present, seen.subflow[i]!, vector.agent[i]!);
    sessions.table.set(session, table.S_FAST_OPEN);
    if (seen.ssn[i] === 0) return;
  }
  const syn = fastOpens.accept(session, seen.ssn[i]!);
  const accepted = fastOpens.shift(session) ?? 0;
  if (syn === null || accepted === 0) return;
  if (syn.octets === null) sessions.noteUnplaced(session, 0, accepted);
  else {
    const captured = Math.min(accepted, syn.captured);
    placement.acknowledged = 0;
    placement.place(session, 0, 0, accepted, captured, syn.octets, 0, syn.subflow, syn.agent, vector.atMicros[i]!);
  }
}

function hasOctets(sessions: Sessions, session: number): boolean {
  return sessions.table.floats[(session * table.SESSION_WORDS + table.SIDE + table.HIGHEST) >> 1]! > 0;
}
