import { Packr, Unpackr } from "msgpackr";

/** How a record's value is written: MessagePack by default, JSON for readers that cannot take it. */
export type Format = "msgpack" | "json";

/** What `decode` makes of octets: a record as it stands in JSON, or why there is none. */
export type Decoded = { readonly ok: true; readonly record: object } | { readonly ok: false; readonly reason: string };

/** One value out of a stream of MessagePack values, and the octet after it. */
export interface DecodedAt {
  readonly decoded: Decoded;
  readonly end: number;
}

/**
 * Fields that JSON has only strings for. 64-bit integers: decimal strings in JSON, whose numbers are exact only to 2^53,
 * and integers in MessagePack; every other number of a record stays below 2^53. Octets: base64 in JSON, binary in
 * MessagePack.
 */
const TYPED_FIELDS: TypedFields = {
  mptcp: { idsn: { initiator: "wide", responder: "wide" }, chunk: { octets: "octets" } },
};

/** Such fields at and below one place of a record. */
type TypedFields = "wide" | "octets" | { readonly [name: string]: TypedFields } | undefined;

/** Deeper nesting than this is no record; the deepest one has 7 levels. */
const MAX_DEPTH = 32;

// Without `useRecords: false` msgpackr writes an extension of its own that no other language reads, and without
// `variableMapSize` it writes 16-bit map headers where 4 bits do.
const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: "bigint" });

/** Octets of a record in either encoding. Throws where the record holds what JSON cannot, which is our own bug. */
export function encode(record: object, format: Format): Uint8Array {
  if (format === "json") return Buffer.from(JSON.stringify(record));
  return packr.pack(withTypes(record, TYPED_FIELDS));
}

/**
 * The record in `octets`, equal to the one `encode` was given; where nobody says the format, their first octet does. Never
 * throws: bad octets, and what is no octets, give `ok: false` and the reason. Which fields the record has is not looked at:
 * `{}` is one here, and a schema such as `sessionRecord` refuses it.
 */
export function decode(octets: Uint8Array, format: Format | null = null): Decoded {
  // Readers in JavaScript have no compiler that keeps text out.
  if (!ArrayBuffer.isView(octets) || octets instanceof DataView)
    return { ok: false, reason: "not octets (Uint8Array)" };
  return decodeAs(octets, format ?? sniff(octets));
}

function decodeAs(octets: Uint8Array, format: Format | null): Decoded {
  if (format === null) return { ok: false, reason: "neither JSON nor MessagePack" };
  try {
    const value: unknown = format === "json" ? JSON.parse(utf8.decode(octets)) : unpackr.unpack(octets);
    return recordFrom(value);
  } catch (error) {
    return { ok: false, reason: reasonOf(error, format) };
  }
}

/**
 * The MessagePack value that begins at `start`, where values follow each other without a frame. Null: `octets` end
 * before it does. Never throws; after `ok: false` the stream cannot be followed further.
 */
export function decodeAt(octets: Uint8Array, start: number): DecodedAt | null {
  let end = start;
  let decoded: Decoded = { ok: false, reason: "empty" };
  try {
    unpackr.unpackMultiple(octets.subarray(start), (value: unknown, _from?: number, to?: number) => {
      decoded = recordFrom(value);
      end = start + (to ?? 0);
      return false;
    });
    return { decoded, end };
  } catch (error) {
    if (error instanceof Error && "incomplete" in error && error.incomplete === true && end === start) return null;
    return { decoded: { ok: false, reason: reasonOf(error, "msgpack") }, end: octets.length };
  }
}

/** The encoding `octets` look like by their first octet: a JSON object or a MessagePack map; null for neither. */
export function sniff(octets: Uint8Array): Format | null {
  const first = octets.find((octet) => octet !== 0x20 && octet !== 0x09 && octet !== 0x0a && octet !== 0x0d);
  if (first === 0x7b) return "json";
  if (first === undefined) return null;
  return (first >= 0x80 && first <= 0x8f) || first === 0xde || first === 0xdf ? "msgpack" : null;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function reasonOf(error: unknown, format: Format): string {
  const name = format === "json" ? "JSON" : "MessagePack";
  if (error instanceof Error && "incomplete" in error && error.incomplete === true) return `${name} ends too early`;
  return `not ${name}`;
}

/**
 * The value as msgpackr must get it: fields in their types, absent ones left out, integers it would write as float64 as
 * bigint. Most parts of a record are such already, and stay the objects they are: a copy costs more than its encoding.
 */
function withTypes(value: unknown, type: TypedFields): unknown {
  if (typeof value === "number") {
    return Number.isInteger(value) && (value > 0xffffffff || value < -0x80000000) ? BigInt(value) : value;
  }
  if (typeof value === "string") {
    if (type === "octets") return Buffer.from(value, "base64");
    return type === "wide" ? BigInt(value) : value;
  }
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return itemsWithTypes(value);
  const fields = value as Readonly<Record<string, unknown>>;
  let copy: Record<string, unknown> | null = null;
  for (const name in fields) {
    const field = fields[name];
    if (typeof field === "string" && type === undefined) continue;
    if (field === undefined) return withTypes(withoutAbsent(fields), type);
    const typed = withTypes(field, below(type, name));
    if (typed === field) continue;
    copy ??= { ...fields };
    copy[name] = typed;
  }
  return copy ?? value;
}

function itemsWithTypes(items: readonly unknown[]): readonly unknown[] {
  const typed = items.map((item) => withTypes(item, undefined));
  return typed.some((item, i) => item !== items[i]) ? typed : items;
}

const withoutAbsent = (fields: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined));

function recordFrom(value: unknown): Decoded {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return { ok: false, reason: "not a record" };
  const record = withoutTypes(value, TYPED_FIELDS, 0);
  return record === undefined || record === null || typeof record !== "object"
    ? { ok: false, reason: "holds what no record holds" }
    : { ok: true, record };
}

/** The inverse of `withTypes`; undefined for types and depths that no record has. */
function withoutTypes(value: unknown, type: TypedFields, depth: number): unknown {
  if (typeof value === "bigint") return type === "wide" || !isExact(value) ? String(value) : Number(value);
  if (typeof value === "number") return type === "wide" ? String(value) : value;
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value !== "object" || depth === MAX_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item) => withoutTypes(item, undefined, depth + 1));
    return items.includes(undefined) ? undefined : items;
  }
  if (type === "octets" && value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Object.getPrototypeOf(value) !== Object.prototype) return undefined;
  const copy: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const plain = withoutTypes(field, below(type, name), depth + 1);
    // A field of this name would be the copy's prototype, and nobody's: no record has one.
    if (plain === undefined || name === "__proto__") return undefined;
    copy[name] = plain;
  }
  return copy;
}

function below(type: TypedFields, name: string): TypedFields {
  return typeof type === "object" && Object.hasOwn(type, name) ? type[name] : undefined;
}

function isExact(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
}
