import type { Format } from "../../schema/encoding.ts";
import { type Topic, topicFormats } from "../../schema/topics.ts";
import type { AgentLedger, AgentRule, Pipeline, TableUse, Totals } from "../../src/pipeline.ts";
import type { DeliveryStats } from "../delivery/delivery.ts";
import type { PlainTcpConfig, PlainTcpReport } from "./plain-tcp/captures.ts";
import type { SourceCounters } from "./source/source.ts";
import type { Listen } from "./sources.ts";

/** What a collector does, apart from what becomes of its records. `COLLECTOR_DEFAULTS` has a value for everything. */
export interface CollectorConfig extends Listen {
  /** Stated in every record as `observer.name`. */
  readonly name: string;
  /** Who may send; null: everybody. */
  readonly agents: readonly AgentRule[] | null;
  /** Packets a second that are taken of one agent; null: any number. */
  readonly agentPacketsPerSecond: number | null;
  /** Most delivery headers around a packet. */
  readonly tunnelDepth: number;
  readonly partial: boolean;
  readonly digest: boolean;
  /** Also publish the octets of streams, as chunks. */
  readonly streams: boolean;
  readonly revisions: "all" | "ended";
  /** Where sessions are told again as plain TCP; null: nowhere. */
  readonly plainTcp: PlainTcpConfig | null;
  /** Of the values of each topic. */
  readonly formats: Readonly<Record<Topic, Format>>;
  /** Between ledger records of the agents; 0: none are made. */
  readonly agentsIntervalS: number;
  /** `stop` takes no longer than about this. */
  readonly drainMs: number;
}

/** What of a collector may change while it runs. */
export type ChangeableConfig = Pick<CollectorConfig, "agents" | "agentPacketsPerSecond" | "drainMs">;

/**
 * Listens nowhere yet, and lets nobody send. The receive buffer holds a tenth of a second at a gigabit; the outbox
 * holds some minutes of records through an outage of the sink.
 */
export const COLLECTOR_DEFAULTS: CollectorConfig = {
  name: "rejoin",
  listenUdp: [],
  listenGre: [],
  listenRing: [],
  ringDrop: false,
  zeroUdpChecksums: false,
  tunnelDepth: 4,
  agents: [],
  agentPacketsPerSecond: null,
  partial: false,
  digest: false,
  streams: false,
  revisions: "all",
  plainTcp: null,
  formats: topicFormats("json"),
  agentsIntervalS: 60,
  receiveOctets: 16 * 1024 * 1024,
  drainMs: 10_000,
};

/** What a collector has counted since its start. */
export interface CollectorReport {
  readonly totals: Totals;
  /** How full the pipeline's tables are. */
  readonly tables: Readonly<Record<string, TableUse>>;
  readonly sources: readonly (SourceCounters & { readonly name: string })[];
  readonly agents: readonly AgentLedger[];
  /** Names of agents that may send and have sent nothing; they have no ledger. */
  readonly silentAgents: readonly string[];
  /** The way of records to their sink: made = acknowledged + stored + shed. */
  readonly records: DeliveryStats;
  /** Of streams: octets that came after their hole was given up, and holes given up for a bound. Null: nobody wants octets. */
  readonly streams: { readonly lateOctets: number; readonly shedHoles: number } | null;
  /** Sessions told again as plain TCP, and octets that are in none of them though they came. Null: nobody wants them. */
  readonly plainTcp: (PlainTcpReport & { readonly untoldOctets: number }) | null;
  /** The last sender that was refused because it is on no list; null when there was none. */
  readonly stranger: { readonly address: string; readonly key: number | null } | null;
  /** Packets that were given up because of a fault of the pipeline's own. */
  readonly faultPackets: number;
  /** Sessions that were open at the end, and for whose records there was no time. */
  readonly untold: number;
}

/** A running collector. */
export interface Collector {
  /** Where it listens, for people. */
  readonly listening: readonly string[];
  /** The port of each entry in `listenUdp`. */
  readonly udpPorts: readonly number[];
  /** Resolves with the error when the sink will take no more; the collector still wants to be stopped. */
  readonly sinkFailure: Promise<unknown>;
  report(): CollectorReport;
  /** Live sessions, as `Pipeline.liveSessions` tells them. */
  liveSessions: Pipeline["liveSessions"];
  /** Takes over what may change while it runs. */
  change(config: ChangeableConfig): void;
  /** Drains: sockets, then sessions, then records, within `drainMs`. A second call waits for the first. */
  stop(): Promise<CollectorReport>;
}
