import { attach, openCaptures, readCaptures } from "../../collectors/offline/captures.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Pipeline, type PipelineOptions } from "../../src/pipeline.ts";
import type { PacketVector } from "../../src/vector.ts";
import { CollectedStreams, keeping, type Run } from "../support/pipeline-run.ts";

/** Reads capture files through a pipeline, as `rejoin read` does; `change` may put other packets in the place of theirs. */
export async function observe(
  paths: readonly string[],
  options: Partial<PipelineOptions> = {},
  change: (vector: PacketVector, take: (vector: PacketVector) => void) => void = (vector, take) => take(vector),
): Promise<Omit<Run, "fates">> {
  const { inputs } = await openCaptures(paths, process.stdin);
  const records: SessionRecord[] = [];
  const streams = new CollectedStreams();
  const pipeline = new Pipeline(keeping(records, streams, { partial: false, ...options }));
  attach(inputs, pipeline);
  await readCaptures(
    inputs.map(({ input }) => input),
    (vector) => change(vector, (changed) => pipeline.process(changed)),
    async () => true,
  );
  for (const { input } of inputs) input.close();
  pipeline.finish("end-of-input");
  return {
    records,
    streams,
    totals: pipeline.totals(),
    ledgers: pipeline.ledgers(),
    untold: pipeline.untoldOctets(),
  };
}
