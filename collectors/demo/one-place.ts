import type { SessionRecord } from "../../schema/session-record.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { attach, openCaptures, readCaptures } from "../offline/captures.ts";
import { OperationalError } from "../runtime/errors.ts";
import { VERSION } from "../runtime/version.ts";

/**
 * The sessions as somebody who has these capture files alone would see them, with digests; sessions without a handshake
 * too. Rejects with an OperationalError when a file cannot be read.
 */
export async function sessionsOf(files: readonly string[]): Promise<SessionRecord[]> {
  const { inputs, unreadable } = await openCaptures(files, process.stdin);
  try {
    const [problem] = unreadable;
    if (problem !== undefined) throw new OperationalError("unreadable", problem);
    const records: SessionRecord[] = [];
    const pipeline = new Pipeline({
      observer: { name: "demo", version: VERSION },
      agents: null,
      partial: true,
      revisions: "ended",
      digest: true,
      octets: null,
      record: (record) => records.push(record),
    });
    attach(inputs, pipeline);
    await readCaptures(
      inputs.map(({ input }) => input),
      (vector) => pipeline.process(vector),
      async () => true,
    );
    pipeline.finish("end-of-input");
    return records;
  } finally {
    for (const { input } of inputs) input.close();
  }
}

/** Packet time at which an observation of these files begins, microseconds since 1970. Rejects as `sessionsOf` does. */
export async function beginOf(files: readonly string[]): Promise<number> {
  const { inputs, unreadable } = await openCaptures(files, process.stdin);
  for (const { input } of inputs) input.close();
  const [problem] = unreadable;
  if (problem !== undefined) throw new OperationalError("unreadable", problem);
  return Math.min(...inputs.map(({ input }) => input.nextMicros));
}
