import { AGENT_DATASET, type AgentRecord } from "./agent-record.ts";
import type { Format } from "./encoding.ts";
import { FINDING_DATASET, type FindingRecord } from "./finding-record.ts";
import { GAP_DATASET, type GapRecord } from "./gap-record.ts";
import { SESSION_DATASET, type SessionRecord } from "./session-record.ts";
import { STREAM_DATASET, type StreamChunk } from "./stream-chunk.ts";

/** Any record that goes to a topic. */
export type AnyRecord = SessionRecord | FindingRecord | StreamChunk | AgentRecord | GapRecord;

/** Kafka topics by what they carry; the number is the schema's major version, inside one changes only add. */
export const TOPICS = {
  sessions: "rejoin.sessions.v1",
  findings: "rejoin.findings.v1",
  streams: "rejoin.streams.v1",
  agents: "rejoin.agents.v1",
} as const;

/** A topic of TOPICS. */
export type Topic = (typeof TOPICS)[keyof typeof TOPICS];

/** `content-type` of a message in each encoding. */
export const CONTENT_TYPES = { msgpack: "application/vnd.msgpack", json: "application/json" } as const;

/** `$id` of each dataset's JSON Schema, and `ce_dataschema` of its messages. */
export const SCHEMA_IDS = {
  [SESSION_DATASET]: "urn:rejoin:schema:session-record:1",
  [FINDING_DATASET]: "urn:rejoin:schema:finding-record:1",
  [STREAM_DATASET]: "urn:rejoin:schema:stream-chunk:1",
  [AGENT_DATASET]: "urn:rejoin:schema:agent-record:1",
  [GAP_DATASET]: "urn:rejoin:schema:gap-record:1",
} as const;

/** The topic a record belongs to. */
export function topicOf(record: AnyRecord): Topic {
  switch (record.event.dataset) {
    case SESSION_DATASET:
      return TOPICS.sessions;
    case FINDING_DATASET:
      return TOPICS.findings;
    case STREAM_DATASET:
      return TOPICS.streams;
    case AGENT_DATASET:
    case GAP_DATASET:
      return TOPICS.agents;
  }
}

/** The message key, which keeps one session's records in order: the session id, the agent's or the collector's name. */
export function keyOf(record: AnyRecord): string {
  if ("mptcp" in record) return record.mptcp.session.id;
  return "agent" in record ? record.agent.name : record.observer.name;
}

/** The format of each topic's values: `format`, where `of` names no other one. */
export function topicFormats(
  format: Format,
  of: { readonly [name in keyof typeof TOPICS]?: Format | null } = {},
): Readonly<Record<Topic, Format>> {
  return {
    [TOPICS.sessions]: of.sessions ?? format,
    [TOPICS.findings]: of.findings ?? format,
    [TOPICS.streams]: of.streams ?? format,
    [TOPICS.agents]: of.agents ?? format,
  };
}

/** CloudEvents 1.0 attributes as Kafka headers, binary content mode (CloudEvents Kafka binding §3.2). */
export function headersOf(record: AnyRecord, format: Format): Record<string, string> {
  return {
    "content-type": CONTENT_TYPES[format],
    ce_specversion: "1.0",
    ce_id: record.event.id,
    ce_source: `/rejoin/${encodeURIComponent(record.observer.name)}`,
    ce_type: `${record.event.dataset}.v1`,
    ce_time: record["@timestamp"],
    ce_dataschema: SCHEMA_IDS[record.event.dataset],
  };
}

/** The encoding a `content-type` names, or null where it names neither; parameters and case do not matter. */
export function formatOf(contentType: string): Format | null {
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (/^application\/(vnd\.|x-)?msgpack$/.test(type)) return "msgpack";
  return type === "application/json" || type.endsWith("+json") ? "json" : null;
}
