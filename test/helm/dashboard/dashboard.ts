import type * as schema from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";
import { DATA_SOURCE, type Json, type Panel } from "./panel.ts";
import { SERVICE } from "./service.ts";
import { SUMMARY } from "./summary.ts";
import { TRAFFIC } from "./traffic.ts";

/** Grafana's grid is so many columns wide. */
const COLUMNS = 24;
const SUMMARY_HEIGHT = 4;
const PANEL_HEIGHT = 8;

/** Puts panels side by side, as many to a line as fit, from `y` on. */
function placed(panels: readonly Panel[], width: number, height: number, y: number): Panel[] {
  const perLine = Math.floor(COLUMNS / width);
  return panels.map((panel, i) => ({
    ...panel,
    gridPos: { x: (i % perLine) * width, y: y + Math.floor(i / perLine) * height, w: width, h: height },
  }));
}

function laidOut(): (Panel | Json<schema.RowPanel>)[] {
  const all: (Panel | Json<schema.RowPanel>)[] = placed(SUMMARY, COLUMNS / SUMMARY.length, SUMMARY_HEIGHT, 0);
  let y = SUMMARY_HEIGHT;
  for (const { title, panels } of [...TRAFFIC, ...SERVICE]) {
    all.push({ type: "row", id: 0, title, collapsed: false, panels: [], gridPos: { x: 0, y, w: COLUMNS, h: 1 } });
    all.push(...placed(panels, COLUMNS / 2, PANEL_HEIGHT, y + 1));
    y += 1 + Math.ceil(panels.length / 2) * PANEL_HEIGHT;
  }
  return all.map((panel, i) => ({ ...panel, id: i + 1 }));
}

/** A variable with all values of a label; where the label is not there, as `namespace` outside of Kubernetes, all fits. */
const ofLabel = (name: string, label: string, query: string): Json<schema.VariableModel> => ({
  type: "query",
  name,
  label,
  datasource: DATA_SOURCE,
  query: { query, refId: name },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: ".*",
  current: { text: "All", value: "$__all" },
});

/** helm/rejoin/dashboards/rejoin.json: the state of collectors for whoever is called. */
export function dashboard(): Json<schema.Dashboard> {
  return {
    uid: "rejoin-collectors",
    title: "rejoin: collectors",
    description:
      "What comes in, what of it is lost, what it shows, and whether records get away. docs/operations.md has what to do.",
    tags: ["rejoin"],
    schemaVersion: 41,
    editable: true,
    graphTooltip: 1,
    timezone: "browser",
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    templating: {
      list: [
        { type: "datasource", name: "datasource", label: "Prometheus", query: "prometheus", refresh: 1 },
        ofLabel("namespace", "Namespace", "label_values(rejoin_build_info, namespace)"),
        ofLabel("job", "Job", 'label_values(rejoin_build_info{namespace=~"$namespace"}, job)'),
        ofLabel(
          "instance",
          "Collector",
          'label_values(rejoin_build_info{namespace=~"$namespace", job=~"$job"}, instance)',
        ),
      ],
    },
    annotations: {
      list: [
        {
          name: "Starts of collectors",
          datasource: DATA_SOURCE,
          enable: true,
          iconColor: "blue",
          expr: 'changes(process_start_time_seconds{namespace=~"$namespace", job=~"$job", instance=~"$instance"}[1m]) > 0',
        } as Json<schema.AnnotationQuery>,
      ],
    },
    panels: laidOut(),
  };
}
