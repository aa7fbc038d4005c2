import type { PacketVector } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import * as tcp from "../wire/tcp.ts";
import type { FlowKeys } from "./flow-key.ts";
import type { Mappings } from "./mapping.ts";
import { Numbering } from "./numbering.ts";
import { advance, isKeepAlive, isMappingNear, isMisplaced, isPlausible } from "./plausibility.ts";
import { followReset, isBroken, noteSummed } from "./resets.ts";
import type { RivalAnswers } from "./rival-answers.ts";
import { RoundTrips } from "./round-trip.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

const BOTH_SYNS = table.STATE_SYN | table.STATE_SYN_ACK;
/** Every option but a DSS is the session's to read. */
const SESSION_OPTIONS = ~(1 << mptcp.DSS);

/**
 * The general path of packets whose subflow is known: follows TCP as far as an observer needs, and takes mappings. What most
 * packets need of it `steady-path.ts` repeats.
 */
export class SubflowFollower {
  private readonly subflows: SubflowTable;
  private readonly keys: FlowKeys;
  private readonly events: events.SubflowEvents;
  private readonly mappings: Mappings;
  private readonly rivals: RivalAnswers;
  private readonly numbering: Numbering;
  private readonly roundTrips: RoundTrips;
  private readonly options = new mptcp.MptcpOptions();

  constructor(
    subflows: SubflowTable,
    keys: FlowKeys,
    seen: events.SubflowEvents,
    mappings: Mappings,
    rivals: RivalAnswers,
  ) {
    this.subflows = subflows;
    this.keys = keys;
    this.events = seen;
    this.mappings = mappings;
    this.rivals = rivals;
    this.numbering = new Numbering(subflows);
    this.roundTrips = new RoundTrips(subflows);
  }

  /** TCP and mappings of one packet of a known subflow; returns its event's bits. */
  follow(vector: PacketVector, i: number, subflow: number): number {
    const { hot, hotFloat } = this.subflows;
    const base = subflow * table.HOT_WORDS;
    const higher = this.keys.fromHigher[i]!;
    const at = base + table.DIRECTION + higher * table.DIRECTION_WORDS;
    const flags = vector.flags[i]!;
    const expected = hot[at + table.NEXT_SSN]!;
    let kind = 0;

    hotFloat[((base + table.IP_OCTETS) >> 1) + higher]! += vector.ipLength[i]!;
    hot[at + table.PACKETS]!++;
    this.subflows.agents.note(subflow, vector.agent[i]!);
    const isDropped = (flags & tcp.RST) !== 0 && isBroken(this.subflows, vector, i, subflow * 2 + higher);
    if (isDropped || !isPlausible(this.subflows, vector, i, subflow, higher)) {
      this.subflows.seldom.noteImplausible(subflow);
      if (hot[at + table.NEXT_SSN] !== expected) this.mappings.followMoved(subflow, higher, expected);
      return 0;
    }
    hotFloat[(base + table.LAST_MICROS) >> 1] = vector.atMicros[i]!;

    if (flags & tcp.SYN) {
      this.roundTrips.take(vector, i, subflow, higher, 0, 0);
      return this.followSyn(vector, i, subflow, higher);
    }
    if (flags & tcp.RST) return followReset(this.subflows, vector, i, subflow, higher) | this.readBesidesDss(vector, i);
    if (!this.numbering.learn(vector, i, subflow, higher)) return this.followUnnumbered(vector, i, subflow, higher);

    if (vector.mptcpAt[i] !== 0) kind = this.readOptions(vector, i, subflow, higher);
    const ssn = (vector.seq[i]! - hot[at + table.ISN]!) >>> 0;
    this.events.ssn[i] = ssn;
    const next = hot[at + table.NEXT_SSN]!;
    this.roundTrips.take(vector, i, subflow, higher, ssn, next);
    if (isKeepAlive(vector, i, ssn, next) && !this.isMapped(vector, i)) {
      this.subflows.cold[subflow * table.COLD_WORDS + table.KEEP_ALIVES]!++;
      // An octet in it is another than the one that it stands for, if the receiver never had that.
      const isPlain = (hot[base + table.STATE]! & table.STATE_PLAIN) !== 0;
      if (!isPlain) this.subflows.seldom.noteUnplacedRepeat(subflow, vector.payloadLength[i]!);
    } else if (vector.payloadLength[i] !== 0) {
      advance(hot, at, ssn + vector.payloadLength[i]!);
      const isBehind = isBehindMapping(hot, at, ssn);
      kind |= this.mappings.place(vector, i, subflow, higher, ssn, next);
      const isPlain = (hot[base + table.STATE]! & table.STATE_PLAIN) !== 0;
      if (vector.hasCutOptions(i) && !isPlain) kind &= ~events.UNMAPPED_DATA;
      if (kind & events.UNMAPPED_DATA && isBehind) kind |= events.BEHIND_MAPPING;
    }
    return kind | this.followFin(vector, i, subflow, higher);
  }

  private followFin(vector: PacketVector, i: number, subflow: number, higher: number): number {
    const { hot } = this.subflows;
    const at = subflow * table.HOT_WORDS + table.STATE;
    if ((vector.flags[i]! & tcp.FIN) === 0 || hot[at]! & (table.STATE_FIN << higher)) return 0;
    hot[at]! |= table.STATE_FIN << higher;
    return events.CLOSED;
  }

  /** A packet whose relative sequence number is not known yet: where a mapping begins on the subflow cannot be told. */
  private followUnnumbered(vector: PacketVector, i: number, subflow: number, higher: number): number {
    const payload = vector.payloadLength[i]!;
    let kind = this.followFin(vector, i, subflow, higher);
    this.events.ssn[i] = 0;
    if (payload !== 0)
      table.addOctets(this.subflows.cold, subflow * table.COLD_WORDS + table.UNMAPPED + higher, payload);
    if (vector.mptcpAt[i] === 0) return kind;
    const options = this.decode(vector, i);
    if (saidBesidesDss(options) !== 0) kind |= events.OPTIONS;
    if ((options.seen & (1 << mptcp.DSS)) === 0) return kind;
    // A DATA_FIN alone has no place on the subflow.
    const isFinAlone = (options.dss & mptcp.DSS_DATA_FIN) !== 0 && options.dataLength === 1;
    return kind | events.HAS_DSS | (isFinAlone ? this.mappings.take(i, subflow, higher, options) : 0);
  }

  private followSyn(vector: PacketVector, i: number, subflow: number, higher: number): number {
    const { hot } = this.subflows;
    const base = subflow * table.HOT_WORDS;
    const state = hot[base + table.STATE]!;
    const answer = (vector.flags[i]! & tcp.ACK) !== 0;
    noteSummed(this.subflows, vector, i, subflow * 2 + higher);
    this.events.ssn[i] = this.numbering.takeSyn(vector, i, subflow, higher);
    hot[base + table.STATE]! |= answer ? table.STATE_SYN_ACK : table.STATE_SYN;
    let kind = this.readBesidesDss(vector, i);
    if (answer) {
      this.numbering.learn(vector, i, subflow, higher);
      if ((state & table.STATE_SYN_ACK) === 0) {
        const taken = this.numbering.skipSynOctets(subflow, 1 - higher, vector.ack[i]!);
        if (taken > 0) this.mappings.beginAnew(subflow, 1 - higher);
        this.events.ssn[i] = taken;
        kind |= events.SYN_ACK;
        if ((state & table.STATE_DETACHED) === 0) this.rivals.add(vector, i, subflow);
      }
    } else if ((state & table.STATE_SYN) !== 0 && vector.mptcpAt[i] === 0 && !vector.hasCutOptions(i)) {
      hot[base + table.STATE]! |= table.STATE_SYN_RETRIED_PLAIN;
      kind |= events.SYN_RETRIED_PLAIN;
    }
    return kind;
  }

  /** Whether packet i, whose options were read, states a mapping. */
  private isMapped(vector: PacketVector, i: number): boolean {
    return vector.mptcpAt[i] !== 0 && (this.options.dss & mptcp.DSS_MAPPING) !== 0;
  }

  private decode(vector: PacketVector, i: number): mptcp.MptcpOptions {
    const { options } = this;
    mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, vector.hasCutOptions(i), options);
    return options;
  }

  /**
   * Whether a SYN or RST says something that the session reads. A DSS has no place on either (RFC 8684 §3.3: it is of
   * established subflows), and whoever makes up a RST that is taken for near would map octets with it.
   */
  private readBesidesDss(vector: PacketVector, i: number): number {
    return vector.mptcpAt[i] !== 0 && saidBesidesDss(this.decode(vector, i)) !== 0 ? events.OPTIONS : 0;
  }

  private readOptions(vector: PacketVector, i: number, subflow: number, higher: number): number {
    const options = this.decode(vector, i);
    let kind = saidBesidesDss(options) !== 0 ? events.OPTIONS : 0;
    if (options.dss === 0 && (options.seen & (1 << mptcp.DSS)) === 0) return kind;
    kind |= events.HAS_DSS;
    if ((options.dss & mptcp.DSS_MAPPING) === 0) return kind;
    // A DATA_FIN alone has no place on the subflow.
    const isFinAlone = (options.dss & mptcp.DSS_DATA_FIN) !== 0 && options.dataLength === 1;
    const ssn = vector.seq[i]! - this.subflows.hot[table.direction(subflow, higher) + table.ISN]!;
    if (!isFinAlone && !isMappingNear(options.ssn, ssn)) {
      this.subflows.seldom.noteImplausible(subflow);
      return kind;
    }
    // Where the SYNs were not seen, it is guessed where the numbers begin.
    const isNumbered = (this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]! & BOTH_SYNS) === BOTH_SYNS;
    if (isNumbered && isMisplaced(options, ssn, vector.payloadLength[i]!)) this.subflows.seldom.noteMisplaced(subflow);
    return kind | this.mappings.take(i, subflow, higher, options);
  }
}

/** Whether octets begin where the newest mapping of the direction at `at` ends, or where the subflow does. */
function isBehindMapping(hot: Uint32Array, at: number, ssn: number): boolean {
  const length = hot[at + table.MAPPING_LENGTH]! & table.INFINITE;
  return ssn === (length === 0 ? 1 : (hot[at + table.MAPPING_SSN]! + length) >>> 0);
}

/** What options say that is the session's to read. */
const saidBesidesDss = (options: mptcp.MptcpOptions): number =>
  (options.seen & SESSION_OPTIONS) | options.malformed | options.repeated | options.unfinished;
