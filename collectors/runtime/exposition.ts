import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Metric } from "./metric.ts";
import { VERSION } from "./version.ts";

/** Gauges of prom-client's own that are named as counters are, and say nothing of what it does. */
const LEFT_OUT = ["active_handles", "active_requests", "active_resources"].flatMap((name) => [
  `nodejs_${name}`,
  `nodejs_${name}_total`,
]);

/** A program's metrics, those of its process (event loop, garbage collection, memory, processor time), and what was built. */
export class Exposition<Told extends readonly unknown[]> {
  readonly contentType: string;
  private readonly registry = new Registry();
  private readonly shown: readonly { readonly metric: Metric<Told>; readonly as: Counter | Gauge }[];

  constructor(metrics: readonly Metric<Told>[]) {
    this.contentType = this.registry.contentType;
    const registers = [this.registry];
    this.shown = metrics.map((metric) => {
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

  /** What the program tells of itself as text that Prometheus reads. */
  async text(...told: Told): Promise<string> {
    for (const { metric, as } of this.shown) {
      // What is told counts since the start, and so do its counters: each is set anew.
      as.reset();
      for (const [labels, value] of metric.samples(...told)) as.inc({ ...labels }, value);
    }
    return this.registry.metrics();
  }
}
