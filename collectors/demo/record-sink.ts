import type { SessionRecord } from "../../schema/session-record.ts";
import { SESSION_DATASET } from "../../schema/session-vocabulary.ts";
import type { OutboxRecord, Outcome } from "../outbox/outbox.ts";
import type { Sink } from "../sink/sink.ts";

/** Hands each session record, which a collector has encoded as JSON, to a function in the same process. */
export class RecordSink implements Sink {
  private readonly take: (record: SessionRecord) => void;

  constructor(take: (record: SessionRecord) => void) {
    this.take = take;
  }

  async open(): Promise<void> {}

  async send(records: readonly OutboxRecord[]): Promise<Outcome[]> {
    for (const { value } of records) {
      const record = JSON.parse(Buffer.from(value).toString("utf8")) as SessionRecord;
      if (record.event.dataset === SESSION_DATASET) this.take(record);
    }
    return records.map(() => "acknowledged");
  }

  async close(): Promise<void> {}
}
