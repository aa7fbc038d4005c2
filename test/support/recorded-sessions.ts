import type { OutboxRecord, Outcome } from "../../collectors/outbox/outbox.ts";
import type { Sink } from "../../collectors/sink/sink.ts";
import { decode } from "../../schema/encoding.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { TOPICS } from "../../schema/topics.ts";

/** A sink that keeps the records of sessions, written as JSON. */
export class RecordedSessions implements Sink {
  readonly records: SessionRecord[] = [];

  async open(): Promise<void> {}

  async send(batch: readonly OutboxRecord[]): Promise<Outcome[]> {
    return batch.map(({ topic, value }) => {
      const decoded = decode(value, "json");
      if (decoded.ok && topic === TOPICS.sessions) this.records.push(decoded.record as SessionRecord);
      return "acknowledged";
    });
  }

  async close(): Promise<void> {}
}
