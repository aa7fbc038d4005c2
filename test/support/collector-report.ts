import type { CollectorReport } from "../../collectors/central/collector-contract.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { CollectedStreams, keeping } from "./pipeline-run.ts";

/** What a collector has counted that has received nothing yet. */
export function emptyReport(): CollectorReport {
  const pipeline = new Pipeline(keeping([], new CollectedStreams()));
  return {
    totals: pipeline.totals(),
    tables: pipeline.tables(),
    sources: [],
    agents: [],
    silentAgents: [],
    records: { made: 0, acknowledged: 0, stored: 0, storedOctets: 0, oldestMs: 0, shed: {}, sink: null },
    streams: null,
    plainTcp: null,
    stranger: null,
    faultPackets: 0,
    untold: 0,
  };
}
