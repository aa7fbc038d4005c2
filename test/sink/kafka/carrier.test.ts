import fc from "fast-check";
import kafkajs from "kafkajs";
import { expect, test } from "vitest";
import type { OutboxRecord } from "../../../collectors/outbox/outbox.ts";
import { messagesOf } from "../../../collectors/sink/kafka/batches.ts";
import { carrierOf, recordSetOf } from "../../../collectors/sink/kafka/carrier.ts";
import { codecOf } from "../../../collectors/sink/kafka/codecs.ts";
import { encodeRecordSet } from "../../../collectors/sink/kafka/record-set.ts";
import { divided, recordSet, throughProducer } from "./kafkajs-encoding.ts";

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
  messagesOf({ topic: "t", partition: 3, records: all }, compression);

const ONE: OutboxRecord = { recordClass: "ended", topic: "t", key: "k", value: Buffer.from("v"), headers: {} };

test("a record set is, octet for octet, what kafkajs makes of the same records", () => {
  fc.assert(
    fc.property(records, (all) => {
      expect(encodeRecordSet(all).equals(recordSet(frozen(all, NONE)))).toBe(true);
    }),
  );
});

test("what a consumer reads of a carrier are the records, in a batch that counts and numbers each", async () => {
  const hex = (octets: Uint8Array | null) => Buffer.from(octets ?? []).toString("hex");
  await fc.assert(
    fc.asyncProperty(records, async (all) => {
      const read = await throughProducer(frozen(all, GZIP), GZIP);
      const plainly = await throughProducer(frozen(all, NONE), NONE);
      const facts = ({ offset, key, value, headers }: (typeof read.records)[number]) => [
        ...[offset, hex(key), hex(value)],
        ...Object.entries(headers).map(([name, octets]) => [name, hex(octets)]),
      ];
      expect(read.records.map(facts)).toEqual(plainly.records.map(facts));
      expect(read.records.map(({ value }) => hex(value))).toEqual(all.map(({ value }) => hex(value)));
      expect([read.firstSequence, read.lastOffsetDelta]).toEqual([7, all.length - 1]);
      const [{ timestamp } = { timestamp: "" }] = read.records;
      expect(Math.abs(Date.now() - Number(timestamp))).toBeLessThan(60_000);
      expect(read.records.every((one) => one.timestamp === timestamp)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test("a list counts for as many messages as there are records, each time that kafkajs divides it", () => {
  const messages = carrierOf([ONE, ONE, ONE], 3);
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(divided(messages).map(({ partition, messages: own }) => [partition, own.length])).toEqual([[3, 3]]);
  }
});

test("messages that are no carrier pass as they are", async () => {
  const messages = [{ key: "k", value: Buffer.from("value"), timestamp: "1700000000000", partition: 0 }];
  const { records: read } = await throughProducer(messages, GZIP);
  expect(read).toMatchObject([{ key: Buffer.from("k"), value: Buffer.from("value"), timestamp: "1700000000000" }]);
});

test("what is left of a list without its carrier is not sent", async () => {
  const [own] = divided(carrierOf([ONE, ONE, ONE], 3));
  await expect(
    throughProducer(Object.assign([], { reduce: () => ({ 3: own?.messages.slice(1) }) }), GZIP),
  ).rejects.toThrow("kafkajs has divided a batch");
  expect(() => recordSetOf(Buffer.alloc(0))).toThrow("kafkajs has divided a batch");
});
