import type { CollectorReport } from "../../collectors/central/collector.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { CollectedStreams, keeping } from "./pipeline-run.ts";

/** What a collector has counted that has received nothing yet. */
export function emptyReport(): CollectorReport {
  return {
    totals: new Pipeline(keeping([], new CollectedStreams())).totals(),
    sources: [],
    agents: [],
    records: { made: 0, acknowledged: 0, stored: 0, storedOctets: 0, oldestMs: 0, shed: {}, sink: null },
    streams: null,
    stranger: null,
    faultPackets: 0,
    untold: 0,
  };
}
