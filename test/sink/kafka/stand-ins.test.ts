import fc from "fast-check";
import kafkajs from "kafkajs";
import { expect, test } from "vitest";
import type { OutboxRecord } from "../../../collectors/outbox/outbox.ts";
import { freeze } from "../../../collectors/sink/kafka/batches.ts";
import { codecOf } from "../../../collectors/sink/kafka/codecs.ts";
import { encodeRecordSet } from "../../../collectors/sink/kafka/record-set.ts";
import { recordSetOf, standInsFor } from "../../../collectors/sink/kafka/stand-ins.ts";
import { recordSet, throughBatch } from "./kafkajs-encoding.ts";

const NONE = kafkajs.CompressionTypes.None;
const GZIP = codecOf("gzip");

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary", maxLength: 70 }),
  // Of two code units each, and about where a length begins to take two octets.
  fc.string({ unit: "grapheme", minLength: 60, maxLength: 70 }),
  fc.constantFrom("a".repeat(63), "a".repeat(64), `${"a".repeat(62)}é`, "\ud800", "x".repeat(20_000)),
);
const record: fc.Arbitrary<OutboxRecord> = fc.record({
  recordClass: fc.constant("ended"),
  topic: fc.constant("t"),
  key: text,
  value: fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 60, maxLength: 70 }), fc.uint8Array({ size: "large" })),
  headers: fc.dictionary(text, text, { maxKeys: 9 }),
});
const records = fc.oneof(
  fc.array(record, { minLength: 1, maxLength: 5 }),
  // Enough for places that take two octets.
  fc.array(record, { minLength: 70, maxLength: 90, size: "max" }),
);
const frozen = (all: OutboxRecord[], compression: kafkajs.CompressionTypes) =>
  freeze({ topic: "t", partition: 3, records: all }, compression);

test("a record set is, octet for octet, what kafkajs makes of the same records", () => {
  fc.assert(
    fc.property(records, (all) => {
      expect(encodeRecordSet(all).equals(recordSet(frozen(all, NONE)))).toBe(true);
    }),
  );
});

test("what a consumer reads of stand-ins are the records", async () => {
  const hex = (octets: Uint8Array | null) => Buffer.from(octets ?? []).toString("hex");
  await fc.assert(
    fc.asyncProperty(records, async (all) => {
      const read = await throughBatch(frozen(all, GZIP), GZIP);
      const plainly = await throughBatch(frozen(all, NONE), NONE);
      const facts = ({ offset, key, value, headers }: (typeof read)[number]) => [
        ...[offset, hex(key), hex(value)],
        ...Object.entries(headers).map(([name, octets]) => [name, hex(octets)]),
      ];
      expect(read.map(facts)).toEqual(plainly.map(facts));
      expect(read.map(({ value }) => hex(value))).toEqual(all.map(({ value }) => hex(value)));
    }),
    { numRuns: 20 },
  );
});

test("each record has one stand-in, of the batch's partition and time", () => {
  const one: OutboxRecord = { recordClass: "ended", topic: "t", key: "k", value: Buffer.from("v"), headers: {} };
  const messages = standInsFor([one, one, one], 3, "1700000000000");
  expect(messages.map(({ partition, timestamp }) => ({ partition, timestamp }))).toEqual(
    Array(3).fill({ partition: 3, timestamp: "1700000000000" }),
  );
});

test("messages that are no stand-ins pass as they are", async () => {
  const messages = [{ key: "k", value: Buffer.from("value"), timestamp: "1700000000000" }];
  const [only] = await throughBatch(messages, GZIP);
  expect(only).toMatchObject({ key: Buffer.from("k"), value: Buffer.from("value"), timestamp: "1700000000000" });
});

test("stand-ins without their carrier are not sent", async () => {
  const one: OutboxRecord = { recordClass: "ended", topic: "t", key: "k", value: Buffer.from("v"), headers: {} };
  const [, ...rest] = standInsFor([one, one, one], 3, "1700000000000");
  await expect(throughBatch(rest, GZIP)).rejects.toThrow("kafkajs has divided a batch");
  expect(() => recordSetOf(recordSet(rest))).toThrow("kafkajs has divided a batch");
});
