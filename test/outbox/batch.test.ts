import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { packBatch, unpackBatch, unpackPart } from "../../collectors/outbox/batch.ts";
import { type OutboxRecord, RECORD_CLASSES } from "../../collectors/outbox/outbox.ts";

/** Few values, so that neighbours have some of them in common; not all have all headers. */
const text = fc.constantFrom("", "0", "a", "b", "ü");
const record: fc.Arbitrary<OutboxRecord> = fc.record({
  recordClass: fc.constantFrom(...RECORD_CLASSES.slice(0, 3)),
  topic: text,
  key: text,
  value: fc.uint8Array({ maxLength: 3 }),
  headers: fc.array(fc.tuple(fc.constantFrom("content-type", "ce_id", "ce_type"), text)).map(Object.fromEntries),
});

test("a batch that was packed has the same records in the same order, whichever their classes, topics and headers", () => {
  fc.assert(
    fc.property(fc.array(record), (records) => {
      const octetsOf = (one: OutboxRecord) => ({ ...one, value: [...one.value] });
      expect(unpackBatch(packBatch(records)).map(octetsOf)).toEqual(records.map(octetsOf));
    }),
  );
});

test("a header that each record of a batch has is written once", () => {
  const long = "x".repeat(1000);
  const records = Array.from({ length: 50 }, (_, n) => ({
    ...({ recordClass: "ended", topic: "t", key: "k", value: Buffer.from("v") } as const),
    headers: { ce_source: long, ce_id: String(n) },
  }));
  const [part] = packBatch(records).parts;
  expect(part?.octets.length).toBeLessThan(2000);
});

test("a part whose records have all that is theirs, as the first version wrote it, is read", () => {
  const rows = [
    [0, "t", "k", Buffer.from("v"), { ce_id: "1", ce_type: "a" }],
    [3, "t", "k", Buffer.from("w"), { ce_id: "2", ce_type: "a" }],
  ];
  const octets = new Packr({ useRecords: true }).pack(rows);
  expect(unpackPart("ended", octets)).toEqual([
    {
      index: 0,
      record: {
        recordClass: "ended",
        topic: "t",
        key: "k",
        value: Buffer.from("v"),
        headers: { ce_id: "1", ce_type: "a" },
      },
    },
    {
      index: 3,
      record: {
        recordClass: "ended",
        topic: "t",
        key: "k",
        value: Buffer.from("w"),
        headers: { ce_id: "2", ce_type: "a" },
      },
    },
  ]);
});
