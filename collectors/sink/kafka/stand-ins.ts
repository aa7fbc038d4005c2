import { randomBytes } from "node:crypto";
import type { Message } from "kafkajs";
import type { OutboxRecord } from "../../outbox/outbox.ts";
import { encodeRecordSet, readVarint } from "./record-set.ts";

/** Keys that no other message has. */
const CARRIER = randomBytes(16);
const STAND_IN = randomBytes(16);
const NOTHING = Buffer.alloc(0);

/** The first record's key ends before this octet: its length, attributes, time, place and the key's length are before it. */
const KEY_END = 40;

/**
 * Messages that kafkajs counts, numbers and sends again in the records' stead: the first carries the record set of all,
 * the others are empty. The codec they go through must compress what `recordSetOf` makes of its octets. `timestamp` is the
 * time of each, in milliseconds.
 */
export function standInsFor(records: readonly OutboxRecord[], partition: number, timestamp: string): Message[] {
  const standIn: Message = { key: STAND_IN, value: NOTHING, partition, timestamp };
  const carrier: Message = { key: CARRIER, value: encodeRecordSet(records), partition, timestamp };
  return records.map((_, n) => (n === 0 ? carrier : standIn));
}

/**
 * The record set that stand-ins carry, or the octets themselves where they are other records. Throws for stand-ins whose
 * carrier is not before them, as a kafkajs that divides messages would make them: sent, they would be empty messages.
 */
export function recordSetOf(octets: Buffer): Buffer {
  const head = octets.subarray(0, KEY_END);
  const at = head.indexOf(CARRIER);
  if (at >= 0) {
    const { value, end } = readVarint(octets, at + CARRIER.length);
    return octets.subarray(end, end + value);
  }
  if (head.includes(STAND_IN)) throw new Error("kafkajs has divided a batch, which this version of rejoin cannot send");
  return octets;
}
