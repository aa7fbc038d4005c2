import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { isLoopback, readListenAddress } from "../../schema/configuration/listen-address.ts";
import { AdminServer, type Page, type Route } from "../runtime/admin-server.ts";
import type { Collector, CollectorReport } from "./collector.ts";
import { debugRoutes } from "./debug.ts";
import { Exposition } from "./exposition.ts";
import { type Health, type OutboxRoom, outboxTables, type Phase, readyHealth, startedHealth } from "./health.ts";
import { agentLabels } from "./metrics.ts";

/** What a collector does by now, as its admin server tells it. */
export interface AdminView {
  readonly name: string;
  phase: Phase;
  /** Null while it starts. */
  collector: Pick<Collector, "report" | "liveSessions"> | null;
  /** Names of the agents that may send. */
  agents: readonly string[];
}

/** A port alone is one of this. */
const LOOPBACK = "127.0.0.1";

/**
 * Starts a collector's admin server at `listen`; `view` is looked at whenever somebody asks. Returns its address, for people,
 * and its end. Rejects with an OperationalError when the address cannot be had.
 */
export async function startAdmin(
  listen: string | number,
  { admin }: CollectorConfiguration,
  room: OutboxRoom,
  view: Readonly<AdminView>,
): Promise<{ readonly address: string; readonly close: () => void }> {
  const at = readListenAddress(String(listen));
  const host = at?.host ?? LOOPBACK;
  const exposition = new Exposition();
  const reportOf = (): CollectorReport | null => {
    const report = view.collector?.report() ?? null;
    if (report === null) return null;
    return { ...report, tables: { ...report.tables, ...outboxTables(report.records, room) } };
  };
  const metrics = async (): Promise<Page> => {
    const report = reportOf();
    if (report === null) return healthPage(startedHealth("starting"));
    return {
      status: 200,
      type: exposition.contentType,
      body: await exposition.text(report, agentLabels(view.agents)),
    };
  };
  const ready = (): Health => readyHealth(view.phase, reportOf()?.records ?? null, room);
  const server = new AdminServer(
    {
      "/metrics": { guarded: true, page: metrics },
      // That it answers at all is the answer.
      "/livez": health(() => ({ well: true, reasons: ["the event loop turns"] })),
      "/readyz": health(ready),
      "/startupz": health(() => startedHealth(view.phase)),
      ...debugRoutes(view, reportOf, admin.token !== null || isLoopback(host)),
    },
    admin.token,
  );
  const port = await server.listen(host, at?.port ?? 0);
  return { address: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, close: () => server.close() };
}

const health = (of: () => Health): Route => ({ guarded: false, page: () => healthPage(of()) });

function healthPage({ well, reasons }: Health): Page {
  const lines = [well ? "yes" : "no", ...reasons].map((line) => `${line}\n`);
  return { status: well ? 200 : 503, type: "text/plain; charset=utf-8", body: lines.join("") };
}
