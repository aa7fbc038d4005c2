import { CLOSE_REASONS, FALLBACK_CAUSES, SUBFLOW_CLOSE_REASONS } from "../../schema/session-vocabulary.ts";
import { FATES } from "../../src/fate.ts";
import type { AgentLedger } from "../../src/pipeline.ts";
import { GIVEN_UP_REASONS, RECORD_CLASSES } from "../outbox/outbox.ts";
import { counter, entries, gauge, type Metric, type Sample } from "../runtime/metric.ts";
import type { CollectorReport } from "./collector-contract.ts";

/** A metric of a collector: out of its report, with the label of each agent. */
type CollectorMetric = Metric<[report: CollectorReport, label: AgentLabel]>;

/** Label of all senders that the configuration does not name: how many there are is not the collector's to say. */
const UNNAMED = "(unnamed)";

/** The value of label `agent` for a ledger. */
export type AgentLabel = (ledger: Pick<AgentLedger, "name" | "address">) => string;

/**
 * Labels of agents: the names in the configuration and those of the collector's own sockets, and one for all others, so that
 * no sender can make a time series.
 */
export function agentLabels(names: Iterable<string>): AgentLabel {
  const known = new Set(names);
  return ({ name, address }) => {
    // Without an address it is a socket of our own.
    return address === null || known.has(name) ? name : UNNAMED;
  };
}

/** A counter that is one number of the report. */
const one = (name: string, help: string, value: (report: CollectorReport) => number): CollectorMetric =>
  counter(name, help, [], (report) => [[{}, value(report)]]);

type LedgerCount = "octets" | "refused" | "late" | "unheard";
type LedgerLevel = "lost" | "duplicate" | "restarted";

const ofAgents = (name: string, help: string, count: LedgerCount): CollectorMetric =>
  counter(name, help, ["agent"], ({ agents }, label) =>
    agents.map((ledger) => [{ agent: label(ledger) }, ledger[count]]),
  );

/** What is known better later on, and then may be less. */
const levelOfAgents = (name: string, help: string, level: LedgerLevel): CollectorMetric =>
  gauge(name, help, ["agent"], ({ agents }, label) =>
    agents.map((ledger) => [{ agent: label(ledger) }, ledger[level]]),
  );

const ofSources = (name: string, help: string, count: "packets" | "octets" | "kernelDrops"): CollectorMetric =>
  counter(name, help, ["source"], ({ sources }) =>
    sources.map((source) => [{ source: source.name }, source[count] ?? 0]),
  );

/** What agents report of themselves: label and field. */
const REPORTED = [
  ["seen", "seen"],
  ["selected", "selected"],
  ["sent", "sent"],
  ["failed", "failed"],
  ["dropped", "dropped"],
  ["cut", "cut"],
  ["kernel-lost", "kernelLost"],
] as const;

/** All that a collector tells of its work, in the order in which packets meet it. */
export const METRICS: readonly CollectorMetric[] = [
  ofSources("rejoin_source_packets_total", "Packets taken from a socket", "packets"),
  ofSources("rejoin_source_octets_total", "Octets of packets taken from a socket", "octets"),
  ofSources(
    "rejoin_source_kernel_drops_total",
    "Packets this host's kernel dropped: the socket's queue was full",
    "kernelDrops",
  ),
  counter(
    "rejoin_agent_packets_total",
    "Copies received from an agent; 0: it may send, and never has",
    ["agent"],
    ({ agents, silentAgents }, label) => [
      ...agents.map((ledger): Sample => [{ agent: label(ledger) }, ledger.packets]),
      ...silentAgents.map((agent): Sample => [{ agent }, 0]),
    ],
  ),
  ofAgents("rejoin_agent_octets_total", "Octets of copies, from the delivery header on", "octets"),
  ofAgents("rejoin_agent_refused_total", "Copies refused because an agent sent more than its bound", "refused"),
  ofAgents("rejoin_agent_unheard_total", "Copies an agent says it sent before the first that came", "unheard"),
  counter(
    "rejoin_agent_reported_packets_total",
    "Packets by an agent's own count since its start, as its newest report says",
    ["agent", "count"],
    ({ agents }, label) =>
      agents.flatMap((ledger) =>
        REPORTED.map(([count, field]): Sample => [{ agent: label(ledger), count }, ledger.reported?.[field] ?? 0]),
      ),
  ),
  // A late copy takes its number back; numbers that came again may turn out to be those of an agent that began anew, and those
  // of one that seemed to begin anew to be doubled.
  levelOfAgents("rejoin_agent_lost_packets", "Sequence numbers that an agent used and no copy has brought", "lost"),
  levelOfAgents("rejoin_agent_duplicate_packets", "Copies whose number was seen already", "duplicate"),
  ofAgents("rejoin_agent_late_total", "Copies whose number came after a higher one", "late"),
  levelOfAgents("rejoin_agent_restarts", "Times an agent's numbering began anew", "restarted"),
  counter(
    "rejoin_packets_total",
    "Packets by what became of them: the sum is all that came in",
    ["stage", "reason"],
    (report) =>
      FATES.filter(({ reason }) => reason !== "alive").map(({ stage, reason }) => [
        { stage, reason },
        report.totals.packets[`${stage}/${reason}`] ?? 0,
      ]),
  ),
  gauge("rejoin_table_used", "Entries of a table whose bound refuses or gives something up", ["table"], ({ tables }) =>
    Object.entries(tables).map(([table, { used }]): Sample => [{ table }, used]),
  ),
  gauge("rejoin_table_bound", "Entries that a table has room for", ["table"], ({ tables }) =>
    Object.entries(tables).map(([table, { bound }]): Sample => [{ table }, bound]),
  ),
  gauge("rejoin_sessions", "Sessions that are open", [], ({ totals }) => [[{}, totals.sessions.live]]),
  one("rejoin_sessions_opened_total", "Sessions that began", ({ totals }) => totals.sessions.opened),
  counter("rejoin_sessions_ended_total", "Sessions that ended, by reason", ["reason"], ({ totals }) => [
    ...CLOSE_REASONS.map((reason): Sample => [{ reason }, 0]),
    ...entries("reason", totals.endedBy),
  ]),
  one(
    "rejoin_sessions_half_open_total",
    "Connections that asked for MPTCP and were never answered; no record is made of them",
    ({ totals }) => totals.sessions.halfOpen,
  ),
  one(
    "rejoin_sessions_partial_total",
    "Ended sessions of which no handshake was seen",
    ({ totals }) => totals.sessions.partial,
  ),
  counter("rejoin_subflows_total", "Subflows of ended sessions by how they stand to them", ["kind"], ({ totals }) =>
    entries("kind", totals.subflows),
  ),
  gauge("rejoin_subflows", "Subflows that have a place in their table", [], ({ totals }) => [[{}, totals.flows.live]]),
  one("rejoin_subflows_opened_total", "Subflows that took a place in their table", ({ totals }) => totals.flows.opened),
  counter(
    "rejoin_subflows_ended_total",
    "Subflows that gave their place back, by how they ended; open: their session ended first",
    ["reason"],
    ({ totals }) => [
      ...SUBFLOW_CLOSE_REASONS.map((reason): Sample => [{ reason }, 0]),
      ...entries("reason", totals.flows.endedBy),
    ],
  ),
  counter("rejoin_fallbacks_total", "Ended sessions that had become plain TCP, by cause", ["cause"], ({ totals }) => [
    ...FALLBACK_CAUSES.map((cause): Sample => [{ cause }, 0]),
    ...entries("cause", totals.fallbacks),
  ]),
  counter(
    "rejoin_stream_octets_total",
    "Data-level octets of ended sessions by sender, each counted once",
    ["side"],
    ({ totals }) => [
      [{ side: "initiator" }, totals.octets.initiator],
      [{ side: "responder" }, totals.octets.responder],
    ],
  ),
  one(
    "rejoin_stream_missing_octets_total",
    "Data-level octets of ended sessions that no copy brought",
    ({ totals }) => totals.octets.missing,
  ),
  one(
    "rejoin_stream_acknowledged_octets_total",
    "Data-level octets of ended sessions that the other side acknowledged",
    ({ totals }) => totals.octets.acknowledged,
  ),
  one(
    "rejoin_stream_unseen_octets_total",
    "Of the acknowledged ones, octets that no copy brought: what is left is the coverage",
    ({ totals }) => totals.octets.unseen,
  ),
  one(
    "rejoin_stream_conflicting_octets_total",
    "Data-level octets of ended sessions that came again, and not the same",
    ({ totals }) => totals.octets.conflicting,
  ),
  counter("rejoin_verdicts_total", "Checks of ended sessions by their verdict", ["check", "verdict"], ({ totals }) =>
    Object.entries(totals.verdicts).flatMap(([check, verdicts]) =>
      Object.entries(verdicts).map(([verdict, count]): Sample => [{ check, verdict }, count]),
    ),
  ),
  counter("rejoin_findings_total", "Findings by kind", ["kind"], ({ totals }) => entries("kind", totals.findings)),
  counter("rejoin_shed_total", "What bounds of the pipeline left out, by kind", ["kind"], ({ totals }) =>
    entries("kind", totals.shed),
  ),
  one(
    "rejoin_updates_left_out_total",
    "Changes of sessions that made no record of their own, because there were too many at once",
    ({ totals }) => totals.updatesLeftOut,
  ),
  one(
    "rejoin_chunks_late_octets_total",
    "Octets of streams that came after their hole was given up",
    ({ streams }) => streams?.lateOctets ?? 0,
  ),
  one(
    "rejoin_chunks_shed_holes_total",
    "Holes of streams that were given up because a bound was met",
    ({ streams }) => streams?.shedHoles ?? 0,
  ),
  one(
    "rejoin_plain_tcp_packets_total",
    "Packets of sessions told again as plain TCP = written + waiting + shed",
    ({ plainTcp }) => plainTcp?.packets ?? 0,
  ),
  one(
    "rejoin_plain_tcp_written_packets_total",
    "Of them, those in captures that were finished",
    ({ plainTcp }) => plainTcp?.written ?? 0,
  ),
  counter(
    "rejoin_plain_tcp_shed_packets_total",
    "Of them, those that are in none: behind, the disk took less than was told; failed, it took nothing, or the capture went",
    ["reason"],
    ({ plainTcp }) => [
      [{ reason: "behind" }, plainTcp?.shed.behind ?? 0],
      [{ reason: "failed" }, plainTcp?.shed.failed ?? 0],
    ],
  ),
  one(
    "rejoin_plain_tcp_captures_total",
    "Captures that were finished for others to take",
    ({ plainTcp }) => plainTcp?.captures ?? 0,
  ),
  one(
    "rejoin_plain_tcp_deleted_captures_total",
    "Captures that nobody took, and that were deleted for the bound",
    ({ plainTcp }) => plainTcp?.deleted ?? 0,
  ),
  one(
    "rejoin_plain_tcp_untold_octets_total",
    "Octets of streams that are in no plain TCP connection, though they came",
    ({ plainTcp }) => plainTcp?.untoldOctets ?? 0,
  ),
  one("rejoin_records_made_total", "Records made = acknowledged + stored + shed", ({ records }) => records.made),
  one(
    "rejoin_records_acknowledged_total",
    "Records that the sink has acknowledged",
    ({ records }) => records.acknowledged,
  ),
  counter(
    "rejoin_records_shed_total",
    "Records that were given up, by reason and class",
    ["reason", "class"],
    // All of them from the start: of a series that begins with its first loss, no alert sees that it grew.
    ({ records }) =>
      GIVEN_UP_REASONS.flatMap((reason) =>
        RECORD_CLASSES.map((name): Sample => [{ reason, class: name }, records.shed[`${reason}/${name}`] ?? 0]),
      ),
  ),
  gauge("rejoin_outbox_records", "Records that wait for the sink", [], ({ records }) => [[{}, records.stored]]),
  gauge("rejoin_outbox_octets", "Octets of records that wait for the sink", [], ({ records }) => [
    [{}, records.storedOctets],
  ]),
  gauge("rejoin_outbox_oldest_seconds", "Age of the oldest record that waits for the sink", [], ({ records }) => [
    [{}, records.oldestMs / 1000],
  ]),
  one("rejoin_sink_sends_total", "Batches that a remote sink was given", ({ records }) => records.sink?.sends ?? 0),
  one(
    "rejoin_sink_send_seconds_total",
    "Time that batches took until they were acknowledged, retries included",
    ({ records }) => (records.sink?.sendMs ?? 0) / 1000,
  ),
  one("rejoin_sink_retries_total", "Sends that were made again", ({ records }) => records.sink?.retries ?? 0),
  counter(
    "rejoin_sink_errors_total",
    "Why sends were made again: the protocol's error code, or the network",
    ["error"],
    ({ records }) => Object.entries(records.sink?.errors ?? {}).map(([error, count]): Sample => [{ error }, count]),
  ),
  gauge(
    "rejoin_sink_certificate_expiry_seconds",
    "When the first certificate in use expires, since 1970",
    [],
    (report) => {
      const expiresMs = report.records.sink?.certificateExpiresMs ?? null;
      return expiresMs === null ? [] : [[{}, expiresMs / 1000]];
    },
  ),
];
