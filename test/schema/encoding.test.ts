import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { decode, decodeAt, encode, sniff } from "../../schema/encoding.ts";
import { findingRecord } from "../../schema/finding-record.ts";
import { sessionRecord } from "../../schema/session-record.ts";
import { streamChunk } from "../../schema/stream-chunk.ts";
import { anyFindingRecord, anySessionRecord, anyStreamChunk } from "./arbitrary-record.ts";

const FORMATS = ["msgpack", "json"] as const;

describe.each(FORMATS)("%s", (format) => {
  test("a record comes back equal, and still fits the schema", () => {
    fc.assert(
      fc.property(anySessionRecord, (record) => {
        const decoded = decode(encode(record, format), format);
        expect(decoded).toEqual({ ok: true, record });
        expect(sessionRecord.safeParse(record).error).toBeUndefined();
      }),
    );
  });

  test("a finding comes back equal, and still fits the schema", () => {
    fc.assert(
      fc.property(anyFindingRecord, (record) => {
        expect(decode(encode(record, format), format)).toEqual({ ok: true, record });
        expect(findingRecord.safeParse(record).error).toBeUndefined();
      }),
    );
  });

  test("a chunk of a stream comes back equal, and still fits the schema", () => {
    fc.assert(
      fc.property(anyStreamChunk, (record) => {
        expect(decode(encode(record, format), format)).toEqual({ ok: true, record });
        expect(streamChunk.safeParse(record).error).toBeUndefined();
      }),
    );
  });

  test("what is no octets gives a value, never an exception", () => {
    for (const value of ["text", 7, null, undefined, {}, new DataView(new ArrayBuffer(1))]) {
      expect(decode(value as Uint8Array, format)).toEqual({ ok: false, reason: "not octets (Uint8Array)" });
      expect(decode(value as Uint8Array)).toEqual({ ok: false, reason: "not octets (Uint8Array)" });
    }
  });

  test("any octets give a value, never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        expect(typeof decode(octets, format).ok).toBe("boolean");
      }),
      { numRuns: 2000 },
    );
  });

  test("a record cut short or bent gives a value, never an exception", () => {
    fc.assert(
      fc.property(anySessionRecord, fc.nat(), fc.nat(255), (record, at, octet) => {
        const octets = Uint8Array.from(encode(record, format));
        const cut = decode(octets.subarray(0, at % octets.length), format);
        expect(cut.ok).toBe(false);
        octets[at % octets.length] = octet;
        expect(typeof decode(octets, format).ok).toBe("boolean");
      }),
    );
  });

  test("nesting without end is refused", () => {
    const depth = 100_000;
    const octets =
      format === "json"
        ? Buffer.from(`{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`)
        : Buffer.concat([Buffer.from([0x81, 0xa1, 0x61]), Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);
    expect(decode(octets, format).ok).toBe(false);
  });
});

describe("MessagePack", () => {
  // 81          map of 1
  // a1 61       "a"
  it.each([
    ["0xffffffff as uint32", 0xffffffff, "81a161ceffffffff"],
    ["2^32 as a 64-bit integer, not float64", 0x100000000, "81a161d30000000100000000"],
    ["2^53 - 1 as a 64-bit integer", Number.MAX_SAFE_INTEGER, "81a161d3001fffffffffffff"],
    ["a fraction as float64", 0.5, "81a161cb3fe0000000000000"],
    ["null as nil", null, "81a161c0"],
    ["an absent field as nothing", undefined, "80"],
  ])("writes %s", (_name, a, hex) => {
    expect(Buffer.from(encode({ a }, "msgpack")).toString("hex")).toBe(hex);
  });

  it("writes an IDSN as a 64-bit integer, unsigned above 2^63", () => {
    const record = { mptcp: { idsn: { initiator: "13091206342165455529", responder: "1" } } };
    const hex = Buffer.from(encode(record, "msgpack")).toString("hex");
    expect(hex).toContain("cfb5ad4eceda1ce2a9");
    expect(hex).toContain("d30000000000000001");
  });

  it("writes octets of a chunk as binary data, and takes them as a string too", () => {
    // 81 a5 mptcp 81 a5 chunk 81 a6 octets c4 02 ff 00
    const record = { mptcp: { chunk: { octets: "/wA=" } } };
    const octets = encode(record, "msgpack");
    expect(Buffer.from(octets).toString("latin1")).toBe("\x81\xa5mptcp\x81\xa5chunk\x81\xa6octets\xc4\x02\xff\x00");
    expect(decode(octets, "msgpack")).toEqual({ ok: true, record });
    const text = Buffer.from("\x81\xa5mptcp\x81\xa5chunk\x81\xa6octets\xa4/wA=", "latin1");
    expect(decode(text, "msgpack")).toEqual({ ok: true, record });
  });

  it.each([
    ["an extension type", "81a161d4727f"],
    ["a timestamp", "81a161d6ff5c2a3b1d"],
    ["binary data", "81a161c40101"],
    ["the octet 0xc1", "81a161c1"],
  ])("refuses %s", (_name, hex) => {
    expect(decode(Buffer.from(hex, "hex"), "msgpack").ok).toBe(false);
  });

  it.each([
    ["a number", "2a", "not a record"],
    ["an array", "9101", "not a record"],
    ["half a map", "82a161", "MessagePack ends too early"],
    ["two values", "81a1610181a16101", "not MessagePack"],
  ])("says what is wrong with %s", (_name, hex, reason) => {
    expect(decode(Buffer.from(hex, "hex"), "msgpack")).toEqual({ ok: false, reason });
  });
});

describe("a stream of MessagePack values", () => {
  const octets = Buffer.concat([encode({ a: 1 }, "msgpack"), encode({ b: 2 }, "msgpack"), Buffer.from("82a1", "hex")]);

  it("is read value by value", () => {
    expect(decodeAt(octets, 0)).toEqual({ decoded: { ok: true, record: { a: 1 } }, end: 4 });
    expect(decodeAt(octets, 4)).toEqual({ decoded: { ok: true, record: { b: 2 } }, end: 8 });
  });

  it("asks for more where a value is not whole", () => {
    expect(decodeAt(octets, 8)).toBeNull();
    expect(decodeAt(octets.subarray(0, 6), 4)).toBeNull();
  });

  it("ends where octets are no MessagePack", () => {
    expect(decodeAt(Buffer.from("d4010181a16101", "hex"), 0)).toEqual({
      decoded: { ok: false, reason: "not MessagePack" },
      end: 7,
    });
  });
});

test("a field that would be a prototype is in no record", () => {
  const octets = Buffer.from('{"event":{"__proto__":{"dataset":"x"}}}');
  expect(decode(octets, "json")).toEqual({ ok: false, reason: "holds what no record holds" });
});

test("sniff tells JSON from MessagePack by the first octet", () => {
  expect(sniff(Buffer.from('\n {"a":1}'))).toBe("json");
  expect(sniff(encode({ a: 1 }, "msgpack"))).toBe("msgpack");
  expect(sniff(encode(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i, i])), "msgpack"))).toBe("msgpack");
  expect(sniff(Buffer.from("hello"))).toBeNull();
  expect(sniff(new Uint8Array(0))).toBeNull();
});
