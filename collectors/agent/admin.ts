import type { AgentConfiguration } from "../../schema/configuration/agent.ts";
import { type AdminAddress, AdminServer, type Health, type Page, probe } from "../runtime/admin-server.ts";
import { Exposition } from "../runtime/exposition.ts";
import type { AgentStatus } from "./agent-contract.ts";
import { METRICS } from "./metrics.ts";

const NOT_BEGUN = "the agent is starting";

/**
 * Starts the admin server at `listen` of an agent that `status` tells of: null as long as it has not begun. Rejects with an
 * OperationalError when the address cannot be had.
 */
export function startAdmin(
  listen: string | number,
  { admin, maxFlows }: Pick<AgentConfiguration, "admin" | "maxFlows">,
  status: () => AgentStatus | null,
): Promise<AdminAddress> {
  const exposition = new Exposition(METRICS);
  const metrics = async (): Promise<Page> => {
    const now = status();
    if (now === null) return { status: 503, type: "text/plain; charset=utf-8", body: `${NOT_BEGUN}\n` };
    return { status: 200, type: exposition.contentType, body: await exposition.text(now, maxFlows) };
  };
  return AdminServer.start(listen, admin.token, () => ({
    "/metrics": { guarded: true, page: metrics },
    "/livez": probe(() => ({ well: true, reasons: ["the event loop turns"] })),
    "/readyz": probe(() => readyHealth(status())),
  }));
}

/**
 * Whether an agent's copies have somewhere to go: not before it has begun, null, and not while every collector has just said
 * that nobody listens.
 */
export function readyHealth(status: Pick<AgentStatus, "collectors"> | null): Health {
  if (status === null) return { well: false, reasons: [NOT_BEGUN] };
  const { collectors } = status;
  // Where the kernel sends, it knows of no answer.
  if (collectors.length === 0) return { well: true, reasons: ["the kernel copies"] };
  const reasons = collectors.map(({ name, reachable }) =>
    reachable ? `copies go to ${name}` : `nobody listens at ${name}`,
  );
  return { well: collectors.some(({ reachable }) => reachable), reasons };
}
