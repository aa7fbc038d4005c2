import { z } from "zod";
import { sessionRecord } from "./session-record.ts";
import { SIDES } from "./session-vocabulary.ts";
import { count } from "./values.ts";

/** The record's `event.dataset`. */
export const STREAM_DATASET = "rejoin.stream";

const { shape } = sessionRecord;

/**
 * A run of octets that one side of a session sent, `event.dataset` `rejoin.stream`, as it stands in JSON. Chunks of one
 * stream come in the order of their offsets.
 */
export const streamChunk = z
  .object({
    "@timestamp": shape["@timestamp"],
    event: z.object({
      id: z.string().min(1).max(128).describe("The same in every copy of this chunk; delivery is at least once"),
      kind: z.literal("event"),
      category: z.tuple([z.literal("network")]),
      type: z.tuple([z.literal("info")]),
      dataset: z.literal(STREAM_DATASET),
      action: z.literal("stream-chunk"),
    }),
    observer: shape.observer,
    mptcp: z.object({
      session: z.object({ id: shape.mptcp.shape.session.shape.id }),
      chunk: z.object({
        side: z.enum(SIDES).describe("Who sent it"),
        offset: count.describe("Of its first octet in the stream"),
        length: count.describe("Its octets; 0 only where it is final"),
        hole: count.describe("Octets that are missing before it, after the chunk before it; 0 where none are"),
        final: z.boolean().describe("The session is over: it is the last chunk of its stream"),
        octets: z.base64().describe("The octets: base64 in JSON, binary in MessagePack"),
      }),
    }),
  })
  .meta({ title: "Stream chunk", description: "Octets that one side of an MPTCP session sent, in order." });

/** Octets of one side's stream; see `streamChunk`. */
export type StreamChunk = z.infer<typeof streamChunk>;
