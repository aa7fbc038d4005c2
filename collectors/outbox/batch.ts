import { Packr } from "msgpackr";
import { type OutboxRecord, RECORD_CLASSES, type RecordClass } from "./outbox.ts";

/** Records of one class out of one batch, packed: what crosses to another thread, and what a frame of a segment holds. */
export interface Part {
  readonly recordClass: RecordClass;
  readonly records: number;
  /** Place of the last record in the whole batch. */
  readonly lastIndex: number;
  readonly octets: Uint8Array<ArrayBuffer>;
}

/** Records that were appended together, by class. */
export interface PackedBatch {
  readonly records: number;
  readonly parts: readonly Part[];
}

/** A record and its place in the batch it came with. */
export interface PackedRecord {
  readonly index: number;
  readonly record: OutboxRecord;
}

/** Headers of one part have the same names: `useRecords` writes these once. */
const packr = new Packr({ useRecords: true });

/** Place, topic, key, value and headers of a record; 0 for a topic or header that is the one of the row before. */
type Row = [number, string | 0, string, Uint8Array, Record<string, string | 0>];

/** Records of one class on their way into a part. */
interface Rows {
  readonly rows: Row[];
  last: OutboxRecord | null;
}

/** Packs records, which keep their order through the place that is written beside each. */
export function packBatch(records: readonly OutboxRecord[]): PackedBatch {
  const classes = new Map<RecordClass, Rows>();
  for (const [index, record] of records.entries()) {
    const own = classes.get(record.recordClass) ?? { rows: [], last: null };
    classes.set(record.recordClass, own);
    const { topic, key, value, headers } = record;
    const isSameTopic = topic === own.last?.topic;
    own.rows.push([index, isSameTopic ? 0 : topic, key, value, headersBehind(own.last, headers)]);
    own.last = record;
  }
  const parts: Part[] = [];
  for (const recordClass of RECORD_CLASSES) {
    const rows = classes.get(recordClass)?.rows;
    const last = rows?.at(-1);
    if (rows === undefined || last === undefined) continue;
    // A copy of its own: msgpackr packs into a block that it goes on using.
    parts.push({ recordClass, records: rows.length, lastIndex: last[0], octets: new Uint8Array(packr.pack(rows)) });
  }
  return { records: records.length, parts };
}

/** The records of a part, in their order. Throws for octets that `packBatch` did not write. */
export function unpackPart(recordClass: RecordClass, octets: Uint8Array): PackedRecord[] {
  let topic = "";
  let headers: Readonly<Record<string, string>> = {};
  return (packr.unpack(octets) as Row[]).map(([index, ownTopic, key, value, ownHeaders]) => {
    if (ownTopic !== 0) topic = ownTopic;
    headers = filled(ownHeaders, headers);
    return { index, record: { recordClass, topic, key, value, headers } };
  });
}

/** Headers without those that the record before has, too. */
function headersBehind(before: OutboxRecord | null, headers: OutboxRecord["headers"]): Row[4] {
  if (before === null) return headers;
  const row: Row[4] = {};
  for (const name in headers) {
    const value = headers[name] ?? "";
    row[name] = value === before.headers[name] ? 0 : value;
  }
  return row;
}

/** The inverse of `headersBehind`. */
function filled(row: Row[4], before: OutboxRecord["headers"]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name in row) {
    const value = row[name] === 0 ? before[name] : row[name];
    headers[name] = value || "";
  }
  return headers;
}

/** The records of a whole batch, in their order. */
export function unpackBatch({ parts }: PackedBatch): OutboxRecord[] {
  const all = parts.flatMap(({ recordClass, octets }) => unpackPart(recordClass, octets));
  return all.sort((a, b) => a.index - b.index).map(({ record }) => record);
}
