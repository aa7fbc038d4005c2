import type { PacketVector } from "../vector.ts";
import * as tcp from "../wire/tcp.ts";
import type { FlowKeys } from "./flow-key.ts";
import { acknowledgesSyn, NEAR } from "./plausibility.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/**
 * Whoever sees a SYN can answer it before the listener does. A second SYN/ACK with an ISN of its own is followed as a
 * rival, a subflow beside the first one, until the opener's ACK shows which of the two it took (RFC 9293 §3.10.7.3); the
 * other one is replaced then. A third answer is refused, as is any behind that ACK or behind octets. Whether octets were
 * in a SYN that was not seen, as an answer says, is believed with that ACK, too.
 */
export class RivalAnswers {
  private readonly subflows: SubflowTable;
  private readonly keys: FlowKeys;
  private readonly events: events.SubflowEvents;

  constructor(subflows: SubflowTable, keys: FlowKeys, out: events.SubflowEvents) {
    this.subflows = subflows;
    this.keys = keys;
    this.events = out;
  }

  /** Notes the first answer to a subflow's SYN, whose octets are known as far as they were seen. */
  add(vector: PacketVector, i: number, first: number): void {
    const { answers, hot } = this.subflows;
    const at = table.direction(first, 1 - this.keys.fromHigher[i]!);
    const begin = (vector.ack[i]! - 1) >>> 0;
    answers.add(first);
    if (hot[at + table.ISN] !== begin) answers.supposeBegin(first, begin);
  }

  /** Which subflow packet i is of, whose flow has been answered and is not acknowledged. Notes in its event what changes. */
  choose(vector: PacketVector, i: number, first: number): number {
    const { hot, answers } = this.subflows;
    const flags = vector.flags[i]!;
    if ((flags & tcp.ACK) === 0 || flags & tcp.RST) return first;
    const state = hot[first * table.HOT_WORDS + table.STATE]!;
    const isOpener = (this.keys.fromHigher[i] === 1) === ((state & table.STATE_OPENER_HIGHER) !== 0);
    if (isOpener) return flags & tcp.SYN ? first : this.acknowledge(vector, i, first);
    const rival = answers.rivalOf(first);
    const higher = this.keys.fromHigher[i]!;
    // A SYN/ACK has its ISN, and all else lies behind it.
    const most = flags & tcp.SYN ? 0 : NEAR;
    const nearest = this.nearest(vector.seq[i]!, higher, first, rival, most);
    if (nearest >= 0) return nearest;
    if (rival < 0) return flags & tcp.SYN ? this.open(vector, i, first, higher) : first;
    // The first one's subflow counts it, which may not be the one that holds.
    this.subflows.seldom.noteImplausible(rival);
    return first;
  }

  /** The subflow behind whose listener's ISN a number lies nearest, -1 when it lies behind neither. */
  private nearest(number: number, listener: number, first: number, rival: number, most: number): number {
    const { hot } = this.subflows;
    const behind = (subflow: number): number =>
      subflow < 0 ? 0xffffffff : (number - hot[table.direction(subflow, listener) + table.ISN]!) >>> 0;
    if (Math.min(behind(first), behind(rival)) > most) return -1;
    return behind(first) <= behind(rival) ? first : rival;
  }

  /** A second answer: opens its subflow, unless there is no room or no host would take it. */
  private open(vector: PacketVector, i: number, first: number, higher: number): number {
    const { subflows } = this;
    const { hot } = subflows;
    if (vector.mptcpAt[i] === 0 || !acknowledgesSyn(hot, vector, i, first, higher, true)) return first;
    for (const side of [0, 1]) if (hot[table.direction(first, side) + table.NEXT_SSN] !== 1) return first;
    const rival = subflows.allocate(this.keys, i, vector.atMicros[i]!);
    if (rival < 0) return first;
    subflows.detach(rival);
    const opener = hot[first * table.HOT_WORDS + table.STATE]! & table.STATE_OPENER_HIGHER;
    hot[rival * table.HOT_WORDS + table.STATE]! |= opener;
    subflows.answers.pair(first, rival);
    this.events.kind[i] = events.OPENED | events.RIVAL;
    this.events.rivalOf[i] = first;
    return rival;
  }

  /** A segment of the opener: what it acknowledges is the answer that it took. */
  private acknowledge(vector: PacketVector, i: number, first: number): number {
    const { subflows } = this;
    const rival = subflows.answers.rivalOf(first);
    const taken = this.nearest((vector.ack[i]! - 1) >>> 0, 1 - this.keys.fromHigher[i]!, first, rival, NEAR);
    if (taken < 0) return first;
    const begin = subflows.answers.beginOf(first);
    subflows.answers.forget(first);
    this.events.replaced[i] = taken === first ? rival : first;
    if (taken === first) {
      // Nobody takes an answer that acknowledges more than was sent.
      const isSent = begin !== null && ((vector.seq[i]! - 1 - begin) | 0) >= 0;
      const at = table.direction(first, this.keys.fromHigher[i]!);
      if (isSent) subflows.hot[at + table.ISN] = begin;
      return first;
    }
    subflows.detach(first);
    subflows.attach(rival);
    return rival;
  }
}
