import type { OutboxRecord } from "../../outbox/outbox.ts";

/** Octets that a length takes at most: a 32-bit number in groups of seven. */
const MAX_VARINT = 5;
/** Of a record: its length, its attributes and time, its place, lengths of key and value, and how many headers. */
const MAX_FRAMING = 5 * MAX_VARINT + 2;
/** A unit of a string in UTF-8. */
const MAX_UTF8 = 3;
/** A length up to this takes one octet. */
const MAX_SHORT = 63;

/**
 * Records as they stand in a batch of Kafka's log (message format 2, KIP-98): places from 0 on, all of the batch's own
 * time. kafkajs's own encoder makes a buffer for each record and each of its headers, which is most of the time that it
 * takes.
 */
export function encodeRecordSet(records: readonly OutboxRecord[]): Buffer {
  const octets = Buffer.allocUnsafe(records.reduce((sum, record) => sum + roomFor(record), 0));
  let at = 0;
  for (const [offset, record] of records.entries()) {
    // Its length stands in front of the record, and is known behind it.
    const start = at + MAX_VARINT;
    const end = writeRecord(octets, start, offset, record);
    at = writeVarint(octets, at, end - start);
    octets.copyWithin(at, start, end);
    at += end - start;
  }
  return octets.subarray(0, at);
}

/** Octets that a record takes at most. */
function roomFor({ key, value, headers }: OutboxRecord): number {
  let room = MAX_FRAMING + key.length * MAX_UTF8 + value.length;
  for (const name in headers) room += 2 * MAX_VARINT + (name.length + (headers[name]?.length ?? 0)) * MAX_UTF8;
  return room;
}

function writeRecord(octets: Buffer, start: number, offset: number, { key, value, headers }: OutboxRecord): number {
  let at = start;
  octets[at++] = 0; // attributes: none are defined
  octets[at++] = 0; // time, from the batch's own
  at = writeVarint(octets, at, offset);
  at = writeString(octets, at, key);
  at = writeVarint(octets, at, value.length);
  octets.set(value, at);
  at += value.length;
  const pairs = Object.entries(headers);
  at = writeVarint(octets, at, pairs.length);
  for (const [name, text] of pairs) at = writeString(octets, writeString(octets, at, name), text);
  return at;
}

function writeString(octets: Buffer, at: number, text: string): number {
  const end = writeShortAscii(octets, at, text);
  if (end > 0) return end;
  const start = writeVarint(octets, at, Buffer.byteLength(text));
  return start + octets.write(text, start);
}

/** Most strings are so, and are not worth two calls into the platform. Returns 0 for one that is not. */
function writeShortAscii(octets: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > MAX_SHORT) return 0;
  octets[at] = length << 1;
  for (let n = 0; n < length; n++) {
    const unit = text.charCodeAt(n);
    if (unit > 0x7f) return 0;
    octets[at + 1 + n] = unit;
  }
  return at + 1 + length;
}

/** Writes a number of 0 to 2^31 - 1, in the zigzag form that has room for a sign. */
function writeVarint(octets: Buffer, start: number, value: number): number {
  let at = start;
  let rest = (value << 1) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) octets[at++] = (rest & 0x7f) | 0x80;
  octets[at++] = rest;
  return at;
}

/** The number of 0 to 2^31 - 1 that begins at `start`, and where it ends. */
export function readVarint(octets: Buffer, start: number): { value: number; end: number } {
  let zigzag = 0;
  let at = start;
  for (let shift = 0; ; shift += 7) {
    const octet = octets[at++] ?? 0;
    zigzag |= (octet & 0x7f) << shift;
    if (octet <= 0x7f) return { value: zigzag >>> 1, end: at };
  }
}
