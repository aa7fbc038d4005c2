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
import { hasPossibleFlags, takesOver } from "./plausibility.ts";
import { Resolution } from "./resolution.ts";
import { RivalAnswers } from "./rival-answers.ts";
import { steadyFollower } from "./steady-path.ts";
import * as events from "./subflow-events.ts";
import { SubflowFollower } from "./subflow-follower.ts";
import * as table from "./subflow-row.ts";
import { SubflowTable } from "./subflow-table.ts";

const PLAIN_TCP = fateOf("subflow/plain-tcp");
const OPTIONS_CUT = fateOf("subflow/options-cut");
const TABLE_FULL = fateOf("subflow/table-full");

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
  private readonly keys: FlowKeys;
  private readonly duplicates: MirrorDuplicates;
  private readonly resolution: Resolution;
  private readonly rivals: RivalAnswers;
  private readonly follower: SubflowFollower;
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
    const fingerprints = new Fingerprints(this.keys.hash, seed);
    this.duplicates = new MirrorDuplicates(fingerprints, this.events.subflow, this.subflows.hot);
    this.resolution = new Resolution(this.subflows, this.keys, fingerprints, this.duplicates, this.events);
    this.rivals = new RivalAnswers(this.subflows, this.keys, this.events);
    this.mappings = new Mappings(this.subflows, this.events);
    this.follower = new SubflowFollower(this.subflows, this.keys, this.events, this.mappings, this.rivals);
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
      this.events.kind[i]! |= this.follower.follow(vector, i, subflow);
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
    this.events.kind[i] = events.OPENED | this.follower.follow(vector, i, subflow);
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
}
