import { attach, openCaptures, readCaptures } from "../../../collectors/offline/captures.ts";
import { type Chunk, Pipeline } from "../../../src/pipeline.ts";

/** What came out of the streams of a capture, put together in order and thrown away. */
export interface PutTogether {
  /** By side. */
  readonly octets: [number, number];
  /** Chunks that did not begin where the one before them had ended, and holes that they told of. */
  misplaced: number;
  holes: number;
  /** Octets that came after the hole they belong to had been given up. */
  late: number;
}

const [path = ""] = process.argv.slice(2);
const found: PutTogether = { octets: [0, 0], misplaced: 0, holes: 0, late: 0 };
/** Where each stream of a live session goes on. */
const ends = new Map<string, [number, number]>();

/** Takes a chunk and drops it: that it comes in its place is all that is looked at. */
function discard({ sessionId, side, offset, hole, octets, final }: Chunk): void {
  let reached = ends.get(sessionId);
  if (reached === undefined) {
    reached = [0, 0];
    ends.set(sessionId, reached);
  }
  if (offset !== reached[side]) found.misplaced++;
  if (hole > 0) found.holes++;
  reached[side] = offset + octets.length;
  found.octets[side] += octets.length;
  if (final && side === 1) ends.delete(sessionId);
}

const pipeline = new Pipeline({
  observer: { name: "bench", version: "0" },
  ...{ agents: null, partial: false, revisions: "ended", digest: false, octets: null, record: null },
  chunk: discard,
});
const { inputs } = await openCaptures([path], process.stdin);
attach(inputs, pipeline);
await readCaptures(
  inputs.map(({ input }) => input),
  (vector) => pipeline.process(vector),
  async () => true,
);
pipeline.finish("end-of-input");
found.late = pipeline.chunkLosses()?.lateOctets ?? 0;
process.stdout.write(JSON.stringify(found));
