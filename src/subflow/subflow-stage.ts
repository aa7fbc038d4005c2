import { fateOf } from "../fate.ts";
import { forVector } from "../for-vector.ts";
import { PacketClock } from "../packet-clock.ts";
import type { Bounds } from "../pipeline-contract.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import * as tcp from "../wire/tcp.ts";
import { NOT_COMPARED } from "./differences.ts";
import { Fingerprints } from "./fingerprints.ts";
import { FlowKeys } from "./flow-key.ts";
import { Mappings } from "./mapping.ts";
import { MIRROR_DUPLICATE, MirrorDuplicates } from "./mirror-duplicates.ts";
import { Numbering } from "./numbering.ts";
import {
  advance,
  hasPossibleFlags,
  isKeepAlive,
  isMappingNear,
  isMisplaced,
  isPlausible,
  takesOver,
} from "./plausibility.ts";
import { followReset, isBroken, noteSummed } from "./resets.ts";
import { Resolution } from "./resolution.ts";
import { RivalAnswers } from "./rival-answers.ts";
import { RoundTrips } from "./round-trip.ts";
import { steadyFollower } from "./steady-path.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import { SubflowTable } from "./subflow-table.ts";

const PLAIN_TCP = fateOf("subflow/plain-tcp");
const OPTIONS_CUT = fateOf("subflow/options-cut");
const TABLE_FULL = fateOf("subflow/table-full");

const BOTH_SYNS = table.STATE_SYN | table.STATE_SYN_ACK;
/** Every option but a DSS is the session's to read. */
const SESSION_OPTIONS = ~(1 << mptcp.DSS);

/**
 * The second stage: finds each packet's flow, tells mirror duplicates, follows TCP as far as an observer needs, keeps
 * DSS mappings by relative subflow sequence, and leaves an event for the session. Knows nothing of sessions.
 */
export class SubflowStage {
  readonly subflows: SubflowTable;
  /** Asked at this packet time when the table is full: whether a subflow has given way. */
  makeRoom: (atMicros: number) => boolean = () => false;
  readonly events = new events.SubflowEvents();
  readonly mappings: Mappings;
  private readonly clock = new PacketClock();
  private readonly roundTrips: RoundTrips;
  private readonly keys: FlowKeys;
  private readonly numbering: Numbering;
  private readonly duplicates: MirrorDuplicates;
  private readonly options = new mptcp.MptcpOptions();
  private readonly resolution: Resolution;
  private readonly rivals: RivalAnswers;
  private readonly steadyOf = forVector((vector) =>
    steadyFollower(vector, this.events, this.subflows, this.mappings.watched.sums),
  );
  /** A packet of the vector under way has opened a subflow. */
  private opened = false;
  /** A packet of the vector under way is a second copy. */
  private refused = false;

  constructor(bounds: Pick<Bounds, "subflows" | "watchedSubflows" | "roundTrips">, seed: number) {
    this.keys = new FlowKeys(seed);
    this.subflows = new SubflowTable(bounds.subflows, bounds.watchedSubflows, bounds.roundTrips, this.keys);
    this.numbering = new Numbering(this.subflows);
    const fingerprints = new Fingerprints(this.keys.hash, seed);
    this.duplicates = new MirrorDuplicates(fingerprints, this.events.subflow, this.subflows.hot);
    this.resolution = new Resolution(this.subflows, this.keys, fingerprints, this.duplicates, this.events);
    this.rivals = new RivalAnswers(this.subflows, this.keys, this.events);
    this.mappings = new Mappings(this.subflows, this.events);
    this.roundTrips = new RoundTrips(this.subflows);
  }

  /** Second copies whose octets could not be compared with those of the first. */
  get uncomparedCopies(): number {
    return this.duplicates.uncompared;
  }

  /** Compares second copies from the first packet of a subflow on, at the price of keeping the octets of all. */
  expectCopies(): void {
    this.duplicates.keepAll();
  }

  /** Leaves an event for every packet that belongs to a subflow, and a fate for every other one. */
  process(vector: PacketVector): void {
    const count = Math.min(vector.length, VECTOR_LENGTH);
    const followSteady = this.steadyOf(vector);
    this.resolution.resolve(vector, count);
    this.refused = this.duplicates.refuse(vector, count);
    this.opened = false;
    this.mappings.watched.clear();
    for (let i = 0; i < count; i++) {
      i = followSteady(i, count);
      if (i < count) this.take(vector, i);
    }
    if (this.refused) this.noteDuplicates(vector, count);
    if (count > 0) this.mappings.watched.expire(this.clock.read(vector.atMicros[count - 1]!));
  }

  /** Nothing comes any more: what waits for a mapping has none, and its subflow's record is to tell of it. */
  finish(): void {
    this.mappings.watched.expire(Number.POSITIVE_INFINITY);
  }

  /** The general path: any packet that is still under way. */
  private take(vector: PacketVector, i: number): void {
    this.events.kind[i] = 0;
    this.events.replaced[i] = -1;
    let subflow = this.events.subflow[i]!;
    const isNew = subflow < 0;
    // Only what an earlier packet of this vector changed is looked up again.
    if (isNew ? this.opened : this.isDetached(subflow)) {
      subflow = this.subflows.index.find(this.keys.hash[i]!, i);
      this.events.subflow[i] = subflow;
    }
    if (isNew && this.isCopy(vector, i, subflow)) return;
    if (subflow >= 0 && this.subflows.answers.has(subflow)) {
      subflow = this.rivals.choose(vector, i, subflow);
      this.events.subflow[i] = subflow;
    }
    if (subflow >= 0 && takesOver(this.subflows, vector, i, subflow, this.keys.fromHigher[i]!)) {
      this.subflows.detach(subflow);
      this.events.replaced[i] = subflow;
      subflow = -1;
    }
    if (subflow >= 0) {
      if ((vector.flags[i]! & (tcp.SYN | tcp.ACK)) === tcp.SYN)
        this.subflows.askedJoins.take(vector, i, subflow, this.keys.fromHigher[i]!);
      this.events.kind[i]! |= this.follow(vector, i, subflow);
      return;
    }
    if (vector.mptcpAt[i] === 0 || !hasPossibleFlags(vector.flags[i]!)) {
      vector.fate[i] = vector.hasCutOptions(i) ? OPTIONS_CUT : PLAIN_TCP;
      return;
    }
    subflow = this.subflows.allocate(this.keys, i, vector.atMicros[i]!);
    if (subflow < 0 && this.makeRoom(vector.atMicros[i]!)) {
      subflow = this.subflows.allocate(this.keys, i, vector.atMicros[i]!);
      // Packets of what gave way may follow.
      for (let other = i + 1; other < vector.length; other++)
        if (this.events.subflow[other] === subflow) this.events.subflow[other] = -1;
    }
    if (subflow < 0) {
      vector.fate[i] = TABLE_FULL;
      return;
    }
    this.events.subflow[i] = subflow;
    this.opened = true;
    this.noteOpener(vector, i, subflow);
    this.events.kind[i] = events.OPENED | this.follow(vector, i, subflow);
  }

  /** Whether a packet whose subflow was not known when the vector began is a second copy; then it has its fate. */
  private isCopy(vector: PacketVector, i: number, subflow: number): boolean {
    const { duplicates } = this;
    const isCopy = subflow < 0 ? duplicates.isCopyOfUnknown(vector, i) : duplicates.isCopy(vector, i, subflow);
    if (isCopy) vector.fate[i] = MIRROR_DUPLICATE;
    // Of a copy that is taken for the first one the difference is noted all the same.
    if (isCopy || duplicates.differences.kinds[i] !== 0) this.refused = true;
    return isCopy;
  }

  /** Second copies count for their subflow, which an earlier packet of this vector may have opened. */
  private noteDuplicates(vector: PacketVector, count: number): void {
    const { subflows, duplicates, keys } = this;
    for (let i = 0; i < count; i++) {
      const kinds = duplicates.differences.kinds[i]!;
      if (vector.fate[i] !== MIRROR_DUPLICATE && kinds === 0) continue;
      const subflow = subflows.index.find(keys.hash[i]!, i);
      if (subflow < 0) continue;
      if (kinds & NOT_COMPARED) subflows.seldom.noteUncompared(subflow);
      if (kinds & ~NOT_COMPARED) {
        const { atMicros, seq } = vector;
        subflows.rewritings.note(subflow, keys.fromHigher[i]!, atMicros[i]!, seq[i]!, i, duplicates.differences);
      }
      if (vector.fate[i] !== MIRROR_DUPLICATE) continue;
      subflows.cold[subflow * table.COLD_WORDS + table.DUPLICATES]!++;
      subflows.agents.note(subflow, vector.agent[i]!);
    }
  }

  private isDetached(subflow: number): boolean {
    return (this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]! & table.STATE_DETACHED) !== 0;
  }

  /**
   * Who opened a flow: the sender of a SYN or of a handshake's later segments, the receiver of a SYN/ACK; in the middle of
   * a connection it is taken to be the end with the higher port, or else the sender.
   */
  private noteOpener(vector: PacketVector, i: number, subflow: number): void {
    const option = vector.mptcpAt[i]!;
    const isCut = option + 2 >= vector.optionsEnd[i]!;
    const isMidstream =
      !isCut && (vector.flags[i]! & tcp.SYN) === 0 && vector.view.getUint8(option + 2) >> 4 === mptcp.DSS;
    const bySender = isMidstream
      ? vector.ports[i]! >>> 16 >= (vector.ports[i]! & 0xffff)
      : (vector.flags[i]! & (tcp.SYN | tcp.ACK)) !== (tcp.SYN | tcp.ACK);
    if ((this.keys.fromHigher[i] === 1) === bySender) {
      this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]! |= table.STATE_OPENER_HIGHER;
    }
  }

  /** TCP and mappings of one packet of a known subflow; returns its event's bits. */
  private follow(vector: PacketVector, i: number, subflow: number): number {
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
