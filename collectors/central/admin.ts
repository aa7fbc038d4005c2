import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { type AdminAddress, AdminServer, type Page, probe } from "../runtime/admin-server.ts";
import { Exposition } from "../runtime/exposition.ts";
import type { Collector, CollectorReport } from "./collector-contract.ts";
import { debugRoutes } from "./debug.ts";
import { type OutboxRoom, outboxTables, type Phase, readyHealth, startedHealth } from "./health.ts";
import { agentLabels, METRICS } from "./metrics.ts";

/** What a collector does by now, as its admin server tells it. */
export interface AdminView {
  readonly name: string;
  phase: Phase;
  /** Null while it starts. */
  collector: Pick<Collector, "report" | "liveSessions"> | null;
  /** Names of the agents that may send. */
  agents: readonly string[];
}

/**
 * Starts a collector's admin server at `listen`; `view` is looked at whenever somebody asks. Returns its address, for people,
 * and its end. Rejects with an OperationalError when the address cannot be had.
 */
export async function startAdmin(
  listen: string | number,
  { admin }: CollectorConfiguration,
  room: OutboxRoom,
  view: Readonly<AdminView>,
): Promise<AdminAddress> {
  const exposition = new Exposition(METRICS);
  const reportOf = (): CollectorReport | null => {
    const report = view.collector?.report() ?? null;
    if (report === null) return null;
    return { ...report, tables: { ...report.tables, ...outboxTables(report.records, room) } };
  };
  const metrics = async (): Promise<Page> => {
    const report = reportOf();
    if (report === null) return probe(() => startedHealth("starting")).page(new URLSearchParams());
    const body = await exposition.text(report, agentLabels(view.agents));
    return { status: 200, type: exposition.contentType, body };
  };
  return AdminServer.start(listen, admin.token, (isOpen) => ({
    "/metrics": { guarded: true, page: metrics },
    // That it answers at all is the answer.
    "/livez": probe(() => ({ well: true, reasons: ["the event loop turns"] })),
    "/readyz": probe(() => readyHealth(view.phase, reportOf()?.records ?? null, room)),
    "/startupz": probe(() => startedHealth(view.phase)),
    ...debugRoutes(view, reportOf, isOpen),
  }));
}
