import { counter, gauge, type Metric, type Sample } from "../runtime/metric.ts";
import type { AgentCounters, AgentStatus } from "./agent-contract.ts";

type AgentMetric = Metric<[status: AgentStatus, maxFlows: number]>;
type Collector = AgentStatus["collectors"][number];

/** A counter that is one number of what the agent has counted. */
const one = (name: string, help: string, count: (counters: AgentCounters) => number): AgentMetric =>
  counter(name, help, [], ({ counters }) => [[{}, count(counters)]]);

/** One sample for each collector, as the configuration names it. */
const each = ({ collectors }: AgentStatus, value: (collector: Collector) => number): Sample[] =>
  collectors.map((collector) => [{ collector: collector.name }, value(collector)]);

/** What became of copies that were due. */
const FATES = ["sent", "failed", "dropped"] as const;

/** All that an agent tells of its work, in the order in which packets meet it. */
export const METRICS: readonly AgentMetric[] = [
  one("rejoin_capture_packets_total", "Packets that were read", ({ seen }) => seen),
  one(
    "rejoin_capture_lost_packets_total",
    "Packets that this host's kernel dropped before they were read",
    ({ lost }) => lost,
  ),
  one(
    "rejoin_capture_paused_seconds_total",
    "Time that packets waited because of the bound on the processor",
    ({ pausedMs }) => pausedMs / 1000,
  ),
  gauge("rejoin_table_used", "Entries of a table whose bound refuses or gives something up", ["table"], (status) => [
    [{ table: "flows" }, status.counters.flows.live],
  ]),
  gauge("rejoin_table_bound", "Entries that a table has room for", ["table"], (_, maxFlows) => [
    [{ table: "flows" }, maxFlows],
  ]),
  one("rejoin_flows_opened_total", "Flows that were selected", ({ flows }) => flows.opened),
  one("rejoin_flows_evicted_total", "Flows that gave way to others", ({ flows }) => flows.evicted),
  one("rejoin_flows_left_out_total", "Flows of sessions that are not sampled", ({ flows }) => flows.leftOut),
  one("rejoin_copies_due_total", "Copies that were due: one for each packet of a selected flow", (counters) => {
    return counters.selected;
  }),
  one(
    "rejoin_copies_limited_total",
    "Copies not made because of the bound on their bandwidth",
    ({ limited }) => limited,
  ),
  counter(
    "rejoin_copies_total",
    "Copies and reports by what became of them: sent, refused by the kernel, or dropped from a full queue",
    ["collector", "fate"],
    ({ collectors }) =>
      collectors.flatMap(({ name, counters }) =>
        FATES.map((fate): Sample => [{ collector: name, fate }, counters[fate]]),
      ),
  ),
  counter("rejoin_copies_cut_total", "Copies that were cut, to a snap length or the path", ["collector"], (status) =>
    each(status, ({ counters }) => counters.cut),
  ),
  counter(
    "rejoin_copies_unheard_total",
    "Times the collector's host said that nobody listens; each is one lost copy at least",
    ["collector"],
    (status) => each(status, ({ counters }) => counters.refused),
  ),
  counter(
    "rejoin_copies_too_long_total",
    "Times a router said that a copy was too long for the way; each is a lost copy",
    ["collector"],
    (status) => each(status, ({ counters }) => counters.tooLong),
  ),
  gauge(
    "rejoin_collector_reachable",
    "Whether copies go there: 0 for a while after nobody listened",
    ["collector"],
    (status) => each(status, ({ reachable }) => (reachable ? 1 : 0)),
  ),
  gauge("rejoin_collector_room_octets", "Octets of a packet that a copy can carry there", ["collector"], (status) =>
    each(status, ({ room }) => room),
  ),
];
