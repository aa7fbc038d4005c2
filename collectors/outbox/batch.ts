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

type Row = [number, string, string, Uint8Array, Record<string, string>];

/** Packs records, which keep their order through the place that is written beside each. */
export function packBatch(records: readonly OutboxRecord[]): PackedBatch {
  const rows = new Map<RecordClass, Row[]>();
  for (const [index, { recordClass, topic, key, value, headers }] of records.entries()) {
    const row: Row = [index, topic, key, value, headers];
    const others = rows.get(recordClass);
    if (others === undefined) rows.set(recordClass, [row]);
    else others.push(row);
  }
  const parts: Part[] = [];
  for (const recordClass of RECORD_CLASSES) {
    const own = rows.get(recordClass);
    const last = own?.at(-1);
    if (own === undefined || last === undefined) continue;
    // A copy of its own: msgpackr packs into a block that it goes on using.
    parts.push({ recordClass, records: own.length, lastIndex: last[0], octets: new Uint8Array(packr.pack(own)) });
  }
  return { records: records.length, parts };
}

/** The records of a part, in their order. Throws for octets that `packBatch` did not write. */
export function unpackPart(recordClass: RecordClass, octets: Uint8Array): PackedRecord[] {
  const rows = packr.unpack(octets) as Row[];
  return rows.map(([index, topic, key, value, headers]) => ({
    index,
    record: { recordClass, topic, key, value, headers },
  }));
}

/** The records of a whole batch, in their order. */
export function unpackBatch({ parts }: PackedBatch): OutboxRecord[] {
  const all = parts.flatMap(({ recordClass, octets }) => unpackPart(recordClass, octets));
  return all.sort((a, b) => a.index - b.index).map(({ record }) => record);
}
