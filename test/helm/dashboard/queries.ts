import { dashboard } from "./dashboard.ts";

/** What Grafana puts in the place of its variables; of names and addresses, all. */
const VARIABLES: Readonly<Record<string, string>> = { __rate_interval: "1m", __range: "3h" };

/** Every query of the dashboard as Prometheus gets it, with the panel that it is of. */
export function queries(): { readonly panel: string; readonly expr: string }[] {
  return (dashboard().panels ?? []).flatMap((panel) =>
    ("targets" in panel ? (panel.targets ?? []) : []).map((target) => ({
      panel: panel.title ?? "",
      expr: String(target.expr).replaceAll(/\$(\w+)/g, (_, name: string) => VARIABLES[name] ?? ".*"),
    })),
  );
}
