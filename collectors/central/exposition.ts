import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { VERSION } from "../runtime/version.ts";
import type { CollectorReport } from "./collector.ts";
import { type AgentLabel, METRICS, type Metric } from "./metrics.ts";

/** Gauges of prom-client's own that are named as counters are, and say nothing of a collector. */
const LEFT_OUT = ["active_handles", "active_requests", "active_resources"].flatMap((name) => [
  `nodejs_${name}`,
  `nodejs_${name}_total`,
]);

/** METRICS, those of the process (event loop, garbage collection, memory, processor time), and what was built. */
export class Exposition {
  readonly contentType: string;
  private readonly registry = new Registry();
  private readonly shown: readonly { readonly metric: Metric; readonly as: Counter | Gauge }[];

  constructor() {
    this.contentType = this.registry.contentType;
    const registers = [this.registry];
    this.shown = METRICS.map((metric) => {
      const { name, help, labels, type } = metric;
      const form = { name, help, labelNames: labels, registers };
      return { metric, as: type === "counter" ? new Counter(form) : new Gauge(form) };
    });
    const build = new Gauge({
      name: "rejoin_build_info",
      help: "Which rejoin, on which Node; always 1",
      labelNames: ["version", "node"],
      registers,
    });
    build.set({ version: VERSION, node: process.version }, 1);
    collectDefaultMetrics({ register: this.registry });
    for (const name of LEFT_OUT) this.registry.removeSingleMetric(name);
  }

  /** The report as text that Prometheus reads; `label` is what `agentLabels` makes of the configuration. */
  async text(report: CollectorReport, label: AgentLabel): Promise<string> {
    for (const { metric, as } of this.shown) {
      // The report counts since the start, and so do its counters: each is set anew.
      as.reset();
      for (const [labels, value] of metric.samples(report, label)) as.inc({ ...labels }, value);
    }
    return this.registry.metrics();
  }
}
