import { randomBytes } from "node:crypto";
import type { Message } from "kafkajs";
import type { OutboxRecord } from "../../outbox/outbox.ts";
import { encodeRecordSet, readVarint } from "./record-set.ts";

/** A key that no other message has. */
const CARRIER = randomBytes(16);

/** The first record's key ends before this octet: its length, attributes, time, place and the key's length are before it. */
const KEY_END = 40;

/**
 * What kafkajs is given in the records' stead: a message that carries the record set of all, in a list as long as they
 * are many. kafkajs numbers as many messages as a list is long, and encodes those that are there, which is most of what
 * they cost it. The codec that they go through must compress what `recordSetOf` makes of its octets.
 */
export function carrierOf(records: readonly OutboxRecord[], partition: number): Message[] {
  const carrier: Message = { key: CARRIER, value: encodeRecordSet(records), partition };
  const list: Message[] = [carrier];
  list.length = records.length;
  // kafkajs divides messages by partition with `reduce`, into dense lists.
  return Object.assign([carrier], { reduce: () => ({ [partition]: list }) });
}

/**
 * The record set that a carrier has, or the octets themselves where they are other records. Throws for those of a list
 * whose carrier was taken off, as a kafkajs that divides lists would make them.
 */
export function recordSetOf(octets: Buffer): Buffer {
  const at = octets.subarray(0, KEY_END).indexOf(CARRIER);
  if (at >= 0) {
    const { value, end } = readVarint(octets, at + CARRIER.length);
    return octets.subarray(end, end + value);
  }
  if (octets.length === 0) throw new Error("kafkajs has divided a batch, which this version of rejoin cannot send");
  return octets;
}
