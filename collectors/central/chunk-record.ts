import { SIDES } from "../../schema/session-vocabulary.ts";
import { STREAM_DATASET, type StreamChunk } from "../../schema/stream-chunk.ts";
import type { Chunk } from "../../src/pipeline.ts";
import { timeText } from "../../src/record/time-text.ts";

/** A chunk as its record (schema/stream-chunk.ts). */
export function chunkRecord(chunk: Chunk, observer: { name: string; version: string }): StreamChunk {
  const { sessionId, offset, octets, hole, final } = chunk;
  const side = SIDES[chunk.side];
  return {
    "@timestamp": timeText(chunk.atMicros),
    event: {
      id: `${sessionId}-${side}-${offset}${final ? "-final" : ""}`,
      kind: "event",
      category: ["network"],
      type: ["info"],
      dataset: STREAM_DATASET,
      action: "stream-chunk",
    },
    observer: { type: "rejoin", ...observer },
    mptcp: {
      session: { id: sessionId },
      chunk: { side, offset, length: octets.length, hole, final, octets: base64(octets) },
    },
  };
}

const base64 = ({ buffer, byteOffset, length }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, length).toString("base64");
