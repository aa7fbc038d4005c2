import type { Encapsulation, UdpEncapsulation } from "../schema/encapsulation.ts";
import type { FindingRecord } from "../schema/finding-record.ts";
import type { SessionRecord } from "../schema/session-record.ts";
import type { AgentReport } from "./wire/agent-report.ts";

/** One side of a session: 0 is the initiator (who sent the MP_CAPABLE SYN), 1 the responder. */
export type Side = 0 | 1;

/** A run of octets of one side's stream, in order after the one before it. */
export interface Chunk {
  readonly sessionId: string;
  readonly side: Side;
  /** Where it begins in the stream, and how many octets before it are missing: a hole, or 0. */
  readonly offset: number;
  readonly hole: number;
  /** At most 32 KiB; a chunk ends where the stream's offset is a multiple of that. Valid during the call only. */
  readonly octets: Uint8Array;
  /** Packet time at which it was made. */
  readonly atMicros: number;
  /** The session is over: nothing of this stream comes after it. */
  readonly final: boolean;
}

/** Where the octets of streams go, when somebody wants them. Calls come as packets are processed, not in order of offset. */
export interface OctetSink {
  /**
   * Octets of one side's stream that were not delivered before: `length` octets of `block` from `at`, which belong at
   * `offset` (from 0, the first octet of the stream). `block` is valid during the call only. Must not throw.
   */
  octets(sessionId: string, side: Side, offset: number, block: Uint8Array, at: number, length: number): void;
  /** No more octets of this session will come. Must not throw. */
  end?(sessionId: string): void;
}

/** Memory that packets may come in, so that none of their octets need be copied. */
export interface PacketMemory {
  readonly block: Uint8Array<ArrayBuffer>;
  /** Octets that a source has of it at a time: MIN_WINDOW_OCTETS of capture files at least. */
  readonly inputOctets: number;
  /**
   * The address of so many for a source's next packets, and for what it still has of the last ones. They are that source's
   * until it asks again.
   */
  nextInput(): number;
}

/** Who may send copies. A stream of copies is a rule's when each list has what it shows, or is null or absent. */
export interface AgentRule {
  readonly name: string;
  /** IPv4 or IPv6 addresses and networks as text: 192.0.2.1, 2001:db8::/48. */
  readonly addresses: readonly string[] | null;
  /** RFC 2890 keys, VXLAN's or Geneve's network identifiers, or ERSPAN's session ids: 0 to 2^32 - 1. */
  readonly keys: readonly number[] | null;
  readonly encapsulations?: readonly Encapsulation[] | null;
  /**
   * Packets a second that are taken of it, over all its streams; null or absent: as `PipelineOptions.agentPacketsPerSecond`
   * says.
   */
  readonly packetsPerSecond?: number | null;
}

/** How much a pipeline keeps at a time; what happens at each bound is in docs/bounds.md. */
export interface Bounds {
  readonly sessions: number;
  readonly subflows: number;
  /** Subflows of which more is kept than their newest mapping. */
  readonly watchedSubflows: number;
  /** Joins that nobody has answered, of all sessions. */
  readonly pendingJoins: number;
  /** Octets remembered to compare what comes again. */
  readonly rememberedOctets: number;
  /** Windows of 32 KiB in which octets of streams wait for chunks to be full, and as many for digests. */
  readonly streamWindows: number;
  /** Packets held for a join whose handshake or proof may yet come. */
  readonly heldPackets: number;
  /** Joins whose third ACK's HMAC is kept for keys to come. */
  readonly thirdAcks: number;
  /** Round-trip times under measurement. */
  readonly roundTrips: number;
  /**
   * Of each kind over all sessions: conflicts, probes of closed windows, announced addresses, MP_PRIO and their like, wrong
   * checksums.
   */
  readonly rareEntries: number;
}

/** What delivery headers are looked for. */
export interface DecapsulationOptions {
  /** Most delivery headers around a packet, 1 or more; a packet in more has the fate `decapsulate/tunnel-depth`. Absent: 4. */
  readonly tunnelDepth?: number;
  /** What comes to further UDP ports; the assigned ones keep theirs. */
  readonly udpPorts?: Readonly<Record<number, UdpEncapsulation>>;
}

/** What a pipeline makes of packets, who is told, and how much it keeps. */
export interface PipelineOptions extends DecapsulationOptions {
  /** Stated in every record. */
  readonly observer: { readonly name: string; readonly version: string };
  /** Encapsulated packets of other senders are refused with the fate `decapsulate/agent-unknown`. Null: everybody may send. */
  readonly agents: readonly AgentRule[] | null;
  /**
   * Packets a second, in packet time, that are taken of one agent (where `agents` is null, of one address); what is more has
   * the fate `decapsulate/agent-over-rate`. Absent or null: any number.
   */
  readonly agentPacketsPerSecond?: number | null;
  /** Also make records of sessions of which no handshake was seen, and of orphan joins. */
  readonly partial: boolean;
  /** Which records to make: `ended` only, or `all` (opened, updated, ended). */
  readonly revisions: "ended" | "all";
  /** Compute `sha256` of both streams: out-of-order octets are held, within a bound. */
  readonly digest: boolean;
  /** Takes the octets of streams; null when nobody wants them. */
  readonly octets: OctetSink | null;
  /**
   * Takes streams in order: chunks, as soon as 32 KiB of one are there, or its octets have waited for a second of packet time.
   * Holes are waited for. Must not throw. Absent when nobody wants them.
   */
  readonly chunk?: (chunk: Chunk) => void;
  /**
   * Takes each session told again as one plain TCP connection (src/plain-tcp): IP packets, valid during the call, and the time
   * of each, which does not step back. Must not throw. Absent when nobody wants them.
   */
  readonly plainTcp?: (packet: Uint8Array, atMicros: number) => void;
  /** Takes each record as it is made; the object belongs to the callee. Must not throw. Null: none are made, only counted. */
  readonly record: ((record: SessionRecord) => void) | null;
  /**
   * Takes each finding as it is made, after the record that shows it; absent, or without somebody who takes records: none
   * are made. Must not throw.
   */
  readonly finding?: (finding: FindingRecord) => void;
  /**
   * Told of each of our own bugs that threw while packets were processed; the packet has the fate `pipeline/fault`, and
   * the others go on. Where absent, `process` throws it.
   */
  readonly fault?: (error: unknown) => void;
  /** Bounds of tables; DEFAULT_BOUNDS where absent. */
  readonly bounds?: Partial<Bounds>;
  /**
   * Decides the places in hash tables, and so, where sets of these are full, what is forgotten. Random and secret where
   * absent, so that nobody can choose packets that collide; given only to have the same run again.
   */
  readonly hashSeed?: number;
}

/** What an agent's newest report says, and when it came. */
export type ReportedCounts = Readonly<AgentReport> & { readonly atMicros: number };

/** What the sequence numbers of an agent's stream tell (RFC 2890 section 2.2), since the start. */
export interface AgentLedger {
  readonly name: string;
  /** The sender's outer address, null for a source that copies directly (a file, an interface). */
  readonly address: string | null;
  readonly key: number | null;
  /** Null for a source that copies directly. */
  readonly encapsulation: Encapsulation | null;
  /** Everything that came of it. */
  readonly packets: number;
  readonly octets: number;
  /** Of the packets, those over its agent's bound: counted here and refused. */
  readonly refused: number;
  /** Of the packets, its own reports. */
  readonly reports: number;
  /** Sequence numbers skipped and not seen later, up to the last that its agent says there is. */
  readonly lost: number;
  /** Packets whose number came after a higher one. */
  readonly late: number;
  /** Packets whose number was seen already. */
  readonly duplicate: number;
  /** Times the numbering began anew. */
  readonly restarted: number;
  /** Packets that its agent says it numbered before the first that came, as when no collector listened. */
  readonly unheard: number;
  /** Null where none came. */
  readonly reported: ReportedCounts | null;
  readonly firstMicros: number;
  readonly lastMicros: number;
}

/** How full a table is. */
export interface TableUse {
  readonly used: number;
  /** At it, what docs/bounds.md says happens. */
  readonly bound: number;
}

/** Counts since the start; `packets` adds up over its fates to `packetsIn`. */
export interface Totals {
  readonly packetsIn: number;
  /** By fate name, `stage/reason`; fates that did not occur are absent. */
  readonly packets: Readonly<Record<string, number>>;
  readonly sessions: {
    readonly opened: number;
    readonly ended: number;
    readonly live: number;
    readonly partial: number;
    /** Connections that asked for MPTCP and were never answered; no record is made of them. */
    readonly halfOpen: number;
  };
  readonly endedBy: Readonly<Record<string, number>>;
  readonly subflows: { readonly initial: number; readonly joined: number; readonly orphan: number };
  /** All flows that took a place among subflows, and what became of those that gave it back; `opened` = `live` + those. */
  readonly flows: {
    readonly opened: number;
    readonly live: number;
    /**
     * By reason: SUBFLOW_CLOSE_REASONS of a session that ended (`open`: the subflow had not), `half-open` of one that was
     * never answered, and `other`: gave way to a bound, or turned out to be one that was known.
     */
    readonly endedBy: Readonly<Record<string, number>>;
  };
  /** Sessions that ended as plain TCP, by cause. */
  readonly fallbacks: Readonly<Record<string, number>>;
  /**
   * Data-level octets, each counted once. `missing`: known to lie between those seen, or up to a stated end.
   * `acknowledged`: by the other side, as far as that was seen; `unseen`: of these, those that no copy brought.
   * `conflicting`: those that came again, and not the same.
   */
  readonly octets: {
    readonly initiator: number;
    readonly responder: number;
    readonly missing: number;
    readonly acknowledged: number;
    readonly unseen: number;
    readonly conflicting: number;
  };
  /** By check and verdict, such as `join-hmac: { verified: 2, failed: 0, unverifiable: 0 }`. */
  readonly verdicts: Readonly<
    Record<string, { readonly verified: number; readonly failed: number; readonly unverifiable: number }>
  >;
  /** Made, or not made because nobody takes any. */
  readonly records: number;
  /** By kind; those that did not occur are absent. */
  readonly findings: Readonly<Record<string, number>>;
  /**
   * What bounds left out besides what records and fates tell; 0 is absent. `copies-not-compared`: second copies whose
   * first one's octets were not kept; `rewritings`: packets rewritten on subflows beyond the bound; `round-trips`:
   * measurements given up for another subflow's; `fragmented-packets`: those that were never whole; `asked-joins`: joins whose
   * SYN was forgotten before it was answered, on a 4-tuple that another flow had; `early-answers`: runs of octets told as plain
   * TCP that did not wait for what they answer.
   */
  readonly shed: Readonly<Record<string, number>>;
  /** Changes of sessions that made no record of their own, because there were too many at once. */
  readonly updatesLeftOut: number;
}
