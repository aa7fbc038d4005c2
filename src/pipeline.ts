import { randomBytes } from "node:crypto";
import { Agents } from "./decapsulate/agents.ts";
import { Decapsulation } from "./decapsulate/decapsulate.ts";
import { Fragments } from "./decapsulate/fragments.ts";
import { KeptPackets } from "./decapsulate/kept-packets.ts";
import { FATE_ALIVE, FATE_FAULT, FATES } from "./fate.ts";
import type { AgentLedger, Bounds, PacketMemory, PipelineOptions, TableUse, Totals } from "./pipeline-contract.ts";
import { PlainTcp } from "./plain-tcp/plain-tcp.ts";
import { REMEMBERED_OCTETS } from "./reassembly/octet-memory.ts";
import { SessionRecords } from "./record/session-records.ts";
import { SessionStage } from "./session/session-stage.ts";
import { SubflowStage } from "./subflow/subflow-stage.ts";
import { tableUses } from "./table-uses.ts";
import { type PacketVector, VECTOR_LENGTH } from "./vector.ts";
import { LINKTYPE_RAW } from "./wire/link-type.ts";

export type {
  AgentLedger,
  AgentRule,
  Chunk,
  OctetSink,
  PacketMemory,
  PipelineOptions,
  ReportedCounts,
  Side,
  TableUse,
  Totals,
} from "./pipeline-contract.ts";

/** 262,144 sessions of 384 octets and 1,048,576 subflows of 256; memory is taken as they come. */
const DEFAULT_BOUNDS: Bounds = {
  sessions: 2 ** 18,
  subflows: 2 ** 20,
  watchedSubflows: 2 ** 16,
  pendingJoins: 2 ** 16,
  rememberedOctets: REMEMBERED_OCTETS,
  streamWindows: 2 ** 14,
  heldPackets: 4096,
  thirdAcks: 4096,
  roundTrips: 2 ** 16,
  rareEntries: 2 ** 16,
};

/** The packet path: decapsulate -> subflow -> session -> record. Synchronous; knows no time but the packets'. */
export class Pipeline {
  private readonly agents: Agents;
  private readonly fragments = new Fragments();
  private readonly decapsulation: Decapsulation;
  private readonly subflows: SubflowStage;
  private readonly sessions: SessionStage;
  private readonly records: SessionRecords;
  private readonly plainTcp: PlainTcp | null;
  private readonly bounds: Bounds;
  private readonly fault: ((error: unknown) => void) | null;
  /** Packets per fate. */
  private readonly fates = new Float64Array(FATES.length);

  /** Throws a RangeError when an agent rule's address is none. */
  constructor(options: PipelineOptions) {
    const bounds = { ...DEFAULT_BOUNDS, ...options.bounds };
    this.bounds = bounds;
    const seed = options.hashSeed ?? randomBytes(4).readUInt32LE();
    this.fault = options.fault ?? null;
    this.agents = new Agents(options.agents, options.agentPacketsPerSecond ?? null);
    this.decapsulation = new Decapsulation(this.agents, this.fragments, options);
    this.subflows = new SubflowStage(bounds, seed);
    this.records = new SessionRecords(options, this.agents);
    this.plainTcp = options.plainTcp === undefined ? null : new PlainTcp(this.records, options.plainTcp);
    this.sessions = new SessionStage(bounds, this.subflows, seed, this.plainTcp ?? this.records);
    this.records.watch(this.sessions.sessions);
    this.plainTcp?.watch(this.sessions.sessions);
  }

  /**
   * Names an input and returns the number that its packets carry in `PacketVector.source`; `name` stands as agent for
   * packets it copied itself. At most 1,024 inputs and senders together are told apart.
   */
  addSource(name: string): number {
    return this.agents.addSource(name);
  }

  /**
   * Second copies are expected of any packet, seconds later where clocks differ: octets are kept, and compared, from the first
   * packet of a subflow on. Without it they are from the first second copy on, which costs nothing where there are none.
   */
  expectCopies(): void {
    this.subflows.expectCopies();
  }

  /** For one source that reads its packets into memory of the pipeline; vectors may come from others all the same. */
  get memory(): PacketMemory {
    return this.sessions.sessions.octets.ring;
  }

  /**
   * Takes every packet of the vector to its fate. Never throws for what is in a packet. Of the vector's columns the input and
   * the fates are what the caller may read afterwards; a time is the device's that copied the packet where that says it.
   */
  process(vector: PacketVector): void {
    const end = this.run(vector, () => this.decapsulation.process(vector));
    if (end < Math.min(vector.length, VECTOR_LENGTH)) this.processRest(vector, end);
    for (let i = 0; i < vector.length && i < VECTOR_LENGTH; i++) this.fates[vector.fate[i]!]!++;
  }

  /**
   * Takes packets through all stages, up to a fragment that completes its packet; returns that one's number, or how many there
   * are.
   */
  private run(vector: PacketVector, decapsulate: () => number): number {
    const { length } = vector;
    let end = length;
    let done = 0;
    this.sessions.sessions.octets.ring.clear();
    try {
      end = decapsulate();
      vector.length = end;
      done = 1;
      this.subflows.process(vector);
      done = 2;
      this.sessions.process(vector);
      this.plainTcp?.advance(this.sessions.now);
    } catch (error) {
      this.recover(vector, done, error);
    } finally {
      vector.length = length;
    }
    return end;
  }

  /** Packet `end` of the vector has completed another one, which takes its place; those behind it come after. */
  private processRest(vector: PacketVector, end: number): void {
    const kept = new KeptPackets(vector);
    try {
      for (let at = end; at < kept.length; ) {
        kept.fates[at] = this.runWhole(vector, kept, at);
        kept.show(vector, at + 1);
        const taken = this.run(vector, () => this.decapsulation.process(vector));
        kept.fates.set(vector.fate.subarray(0, taken), at + 1);
        at += 1 + taken;
      }
    } finally {
      kept.restore(vector);
    }
  }

  /** Takes what a fragment has completed through all stages, and what that may complete in turn; returns its fate. */
  private runWhole(vector: PacketVector, kept: KeptPackets, at: number): number {
    for (let whole = this.fragments.takeWhole(); whole !== null; whole = this.fragments.takeWhole()) {
      const packet = whole;
      kept.showAs(vector, at, packet.octets, packet.wire, LINKTYPE_RAW);
      this.run(vector, () => this.decapsulation.processWhole(vector, packet));
    }
    return vector.fate[0]!;
  }

  /**
   * Lets packet time pass without packets, so that idle sessions end on a quiet line. Live sources call it about once a
   * second.
   */
  advance(nowMicros: number): void {
    this.sessions.advance(nowMicros);
    this.plainTcp?.advance(this.sessions.now);
  }

  /** Ends every session that is still open, with this reason, and makes their records. */
  finish(reason: "end-of-input" | "shutdown"): void {
    for (const _ of this.finishing(reason));
  }

  /** As `finish`, one session at each step: for those who have other work to do meanwhile. Takes no packets any more. */
  *finishing(reason: "end-of-input" | "shutdown"): Generator<void> {
    this.fragments.finish();
    this.subflows.finish();
    yield* this.sessions.finishing(reason);
  }

  /** Counts since the start. */
  totals(): Totals {
    const packets: Record<string, number> = {};
    for (const [i, { stage, reason }] of FATES.entries()) {
      if (this.fates[i] !== 0) packets[`${stage}/${reason}`] = this.fates[i]!;
    }
    return {
      packetsIn: this.fates.reduce((sum, count) => sum + count, 0),
      packets,
      ...this.records.totals(),
      flows: this.flows(),
      shed: this.shed(),
    };
  }

  private flows(): Totals["flows"] {
    const { opened, live } = this.subflows.subflows;
    const endedBy = this.records.subflowEnds;
    const told = Object.values(endedBy).reduce((sum, count) => sum + count, 0);
    return { opened, live, endedBy: { "half-open": 0, ...endedBy, other: opened - live - told } };
  }

  /** How full each table is whose bound refuses or gives something up, by name. */
  tables(): Readonly<Record<string, TableUse>> {
    const { agents, fragments, subflows, sessions, records, bounds } = this;
    return tableUses({ agents, fragments, subflows, sessions, records }, bounds);
  }

  /**
   * At most `limit` live sessions in few words, from a place of their table on, and the place to go on from: null at its
   * end. One call looks at 65,536 places at most, so that fewer than `limit` need not be the last.
   */
  liveSessions(from: number, limit: number): ReturnType<SessionRecords["live"]> {
    return this.records.live(from, limit);
  }

  private shed(): Record<string, number> {
    const all = {
      "copies-not-compared": this.subflows.uncomparedCopies,
      rewritings: this.subflows.subflows.rewritings.shed,
      "fragmented-packets": this.fragments.shed,
      "round-trips": this.subflows.subflows.timings.shed,
      "asked-joins": this.subflows.subflows.askedJoins.shed,
      "early-answers": this.plainTcp?.earlyAnswers ?? 0,
    };
    return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
  }

  /**
   * What chunks lack for a bound: octets that came after their hole was given up, and holes given up early; null where none
   * are made.
   */
  chunkLosses(): { lateOctets: number; shedHoles: number } | null {
    const { chunks } = this.sessions.sessions.octets;
    return chunks === null ? null : { lateOctets: chunks.lateOctets, shedHoles: chunks.shedHoles };
  }

  /**
   * Octets of streams that are in no plain TCP connection, though they came: too late for their place, or when another session
   * had begun between the same ends. 0 where nobody takes connections.
   */
  untoldOctets(): number {
    return this.plainTcp === null ? 0 : this.plainTcp.untoldOctets + (this.chunkLosses()?.lateOctets ?? 0);
  }

  /** Sessions that are alive and of which a record would tell when they end. */
  untold(): number {
    return this.records.untold;
  }

  /** The last sender whose packets were refused because no rule names it; null when there was none. */
  stranger(): Agents["stranger"] {
    return this.agents.stranger;
  }

  /** Takes other rules of who may send, for every packet from now on. Throws a RangeError as the constructor does. */
  changeAgents(rules: PipelineOptions["agents"], packetsPerSecond: number | null): void {
    this.agents.changeRules(rules, packetsPerSecond);
  }

  /** Each sender's loss ledger since the start. */
  ledgers(): AgentLedger[] {
    return this.agents.ledgers();
  }

  /** Agents that rules name and of which nothing has come since the start. */
  silentAgents(): string[] {
    return this.agents.silent();
  }

  /**
   * After a throw with so many stages done. The session stage gives each packet its fate in turn: the first without one
   * is the packet it threw at, and the stage goes on behind it. The stages before it do not tell where they were, and
   * may not see a packet twice: what they had under way is given up.
   */
  private recover(vector: PacketVector, done: number, error: unknown): void {
    if (this.fault === null) throw error;
    this.fault(error);
    const fates = vector.fate.subarray(0, vector.length);
    if (done === 0) fates.fill(FATE_FAULT);
    while (fates.includes(FATE_ALIVE)) {
      fates[fates.indexOf(FATE_ALIVE)] = FATE_FAULT;
      if (done === 1) continue;
      try {
        this.sessions.process(vector);
      } catch (again) {
        this.fault(again);
      }
    }
  }
}
