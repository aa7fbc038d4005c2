import type { Agents } from "./decapsulate/agents.ts";
import type { Fragments } from "./decapsulate/fragments.ts";
import type { Bounds, TableUse } from "./pipeline-contract.ts";
import type { SessionRecords } from "./record/session-records.ts";
import type { SessionStage } from "./session/session-stage.ts";
import type { SubflowStage } from "./subflow/subflow-stage.ts";

/** The parts of a pipeline that have tables. */
interface Parts {
  readonly agents: Agents;
  readonly fragments: Fragments;
  readonly subflows: SubflowStage;
  readonly sessions: SessionStage;
  readonly records: SessionRecords;
}

/**
 * How full each table is whose bound refuses or gives something up, by name. Rings and places that what comes last takes
 * are left out: they are always full.
 */
export function tableUses({ agents, fragments, subflows, sessions, records }: Parts, bounds: Bounds) {
  const { subflows: flows, mappings } = subflows;
  const { table, pending, rare, octets } = sessions.sessions;
  const uses: Record<string, TableUse> = {
    agents: agents.use,
    "fragmented-packets": fragments.use,
    subflows: { used: flows.live, bound: flows.capacity },
    "watched-subflows": flows.watchedUse,
    rewritings: flows.rewritings.use,
    "asked-joins": flows.askedJoins.use,
    "unmapped-payload": mappings.watched.use,
    sessions: { used: table.live, bound: table.capacity },
    "pending-joins": { used: pending.length, bound: bounds.pendingJoins },
    "held-packets": sessions.heldUse,
    "third-acks": rare.thirdAcks.use,
    conflicts: rare.allotments.conflicts.use,
    probes: rare.allotments.probes.use,
    addresses: rare.allotments.addresses.use,
    options: rare.allotments.options.use,
    "wrong-checksums": rare.allotments.checksums.use,
    findings: records.findingsUse,
  };
  if (octets.chunks !== null) uses["stream-windows"] = octets.chunks.windows.use;
  return uses;
}
