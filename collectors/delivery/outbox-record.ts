import { encode, type Format } from "../../schema/encoding.ts";
import { type AnyRecord, headersOf, keyOf, topicOf } from "../../schema/topics.ts";
import type { OutboxRecord, RecordClass } from "../outbox/outbox.ts";

/** A record as an outbox takes it: encoded, with its class, topic, key and headers. */
export function outboxRecord(record: AnyRecord, format: Format): OutboxRecord {
  return {
    recordClass: classOf(record),
    topic: topicOf(record),
    key: keyOf(record),
    value: encode(record, format),
    headers: headersOf(record, format),
  };
}

function classOf(record: AnyRecord): RecordClass {
  if (record.event.kind === "alert") return "finding";
  switch (record.event.action) {
    case "session-opened":
      return "opened";
    case "session-updated":
      return "updated";
    case "session-ended":
      return "ended";
    case "agent-counted":
      return "ledger";
    case "stream-chunk":
      return "chunk";
    case "records-shed":
      return "gap";
  }
}
