import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig,
  Options as TimeSeriesOptions,
} from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as schema from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";

/** A type of Grafana as it stands in JSON: the words of its enumerations instead of their names. */
export type Json<T> = T extends string
  ? `${T}`
  : T extends (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;

/** A panel that has no place yet. */
export type Panel = Json<schema.Panel>;

/** Panels of one subject under its title. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** How a collector is named in legends: by its pod, and by address where there is none. */
export const WHO = "{{pod}} {{instance}}";

/** What is asked of Prometheus: legend and query. The legend is empty where there is one line. */
export type Query = readonly [legend: string, expr: string];

/** Grafana's names of units. */
type Unit = "short" | "pps" | "bps" | "bytes" | "s" | "percentunit" | "ops" | "dtdhms";

interface Form {
  readonly title: string;
  /** For whoever is called: what it means when it is not as always. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** From these values on it is yellow, and red. */
  readonly warnAt?: number;
  readonly alarmAt?: number;
}

/** Grafana replaces it by the source that was chosen above. */
export const DATA_SOURCE = { type: "prometheus", uid: "$" + "{datasource}" };

const SELECTED = 'namespace=~"$namespace", job=~"$job", instance=~"$instance"';

/** A metric of the collectors that were chosen above, with further matchers. */
export const of = (metric: string, more = ""): string => `${metric}{${SELECTED}${more === "" ? "" : `, ${more}`}}`;

/** What a counter grows by in a second. */
export const rate = (metric: string, more = ""): string => `rate(${of(metric, more)}[$__rate_interval])`;

const targets = (queries: readonly Query[], instant: boolean) =>
  queries.map(([legendFormat, expr], i) => ({
    refId: String.fromCharCode(65 + i),
    datasource: DATA_SOURCE,
    expr,
    legendFormat: legendFormat === "" ? "__auto" : legendFormat,
    ...(instant ? { instant: true, range: false } : { range: true }),
  }));

function thresholds({ warnAt, alarmAt }: Form) {
  const steps = [
    { color: "green", value: null },
    ...(warnAt === undefined ? [] : [{ color: "yellow", value: warnAt }]),
    ...(alarmAt === undefined ? [] : [{ color: "red", value: alarmAt }]),
  ];
  return { mode: "absolute", steps } as const;
}

/** One number, green, yellow or red, over the time that is shown. */
export function stat(form: Form): Panel {
  const options: Partial<Json<StatOptions>> = {
    colorMode: "background",
    graphMode: "none",
    reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
    textMode: "value",
  };
  return {
    type: "stat",
    title: form.title,
    description: form.description,
    datasource: DATA_SOURCE,
    targets: targets(form.queries, true),
    fieldConfig: {
      defaults: { unit: form.unit, color: { mode: "thresholds" }, thresholds: thresholds(form), noValue: "–" },
      overrides: [],
    },
    options,
  };
}

/** Lines over time; where values have a bound, a dashed line at it. */
export function lines(form: Form): Panel {
  const bounded = form.warnAt !== undefined || form.alarmAt !== undefined;
  const custom: Partial<Json<FieldConfig>> = {
    drawStyle: "line",
    lineInterpolation: "linear",
    fillOpacity: 10,
    showPoints: "never",
    ...(bounded ? { thresholdsStyle: { mode: "dashed" } } : {}),
  };
  const options: Json<TimeSeriesOptions> = {
    legend: { displayMode: "table", placement: "bottom", showLegend: true, calcs: ["lastNotNull", "max"] },
    tooltip: { mode: "multi", sort: "desc" },
  };
  return {
    type: "timeseries",
    title: form.title,
    description: form.description,
    datasource: DATA_SOURCE,
    targets: targets(form.queries, false),
    fieldConfig: {
      defaults: {
        unit: form.unit,
        min: 0,
        color: { mode: "palette-classic" },
        ...(bounded ? { thresholds: thresholds(form) } : {}),
        custom,
      },
      overrides: [],
    },
    options: { ...options },
  };
}
