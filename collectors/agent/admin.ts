import type { AgentConfiguration } from "../../schema/configuration/agent.ts";
import { type AdminAddress, AdminServer, type Health, probe } from "../runtime/admin-server.ts";
import { Exposition } from "../runtime/exposition.ts";
import type { Agent, AgentStatus } from "./agent-contract.ts";
import { METRICS } from "./metrics.ts";

/** Starts an agent's admin server at `listen`. Rejects with an OperationalError when the address cannot be had. */
export function startAdmin(
  listen: string | number,
  { admin, maxFlows }: Pick<AgentConfiguration, "admin" | "maxFlows">,
  agent: Pick<Agent, "status">,
): Promise<AdminAddress> {
  const exposition = new Exposition(METRICS);
  const metrics = async () => {
    const body = await exposition.text(agent.status(), maxFlows);
    return { status: 200 as const, type: exposition.contentType, body };
  };
  return AdminServer.start(listen, admin.token, () => ({
    "/metrics": { guarded: true, page: metrics },
    "/livez": probe(() => ({ well: true, reasons: ["the event loop turns"] })),
    "/readyz": probe(() => readyHealth(agent.status())),
  }));
}

/** Whether an agent's copies have somewhere to go: not while every collector has just said that nobody listens. */
export function readyHealth({ collectors }: Pick<AgentStatus, "collectors">): Health {
  // Where the kernel sends, it knows of no answer.
  if (collectors.length === 0) return { well: true, reasons: ["the kernel copies"] };
  const reasons = collectors.map(({ name, reachable }) =>
    reachable ? `copies go to ${name}` : `nobody listens at ${name}`,
  );
  return { well: collectors.some(({ reachable }) => reachable), reasons };
}
