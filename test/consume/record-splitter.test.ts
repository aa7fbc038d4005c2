import fc from "fast-check";
import { Unpackr } from "msgpackr";
import { describe, expect, it, test, vi } from "vitest";
import { MAX_RECORD_OCTETS, splitterOf } from "../../collectors/consume/record-splitter.ts";
import { type Decoded, encode, type Format } from "../../schema/encoding.ts";

/** Splits octets that come in pieces which end at `cuts`. */
function split(format: Format, octets: Buffer, cuts: readonly number[] = []): [number, Decoded][] {
  const splitter = splitterOf(format);
  const ends = [...cuts.map((cut) => cut % (octets.length + 1)).sort((a, b) => a - b), octets.length];
  const found: [number, Decoded][] = [];
  let from = 0;
  for (const end of ends) {
    // A copy that is spoilt afterwards: the splitter must not keep what it said it would not.
    for (const { offset, decoded } of splitter.push(Buffer.from(octets.subarray(from, end))))
      found.push([offset, decoded]);
    from = end;
  }
  for (const { offset, decoded } of splitter.finish()) found.push([offset, decoded]);
  return found;
}

const good = (record: object): Decoded => ({ ok: true, record });
const bad = (reason: string): Decoded => ({ ok: false, reason });

describe.each(["json", "msgpack"] as const)("%s", (format) => {
  test("records are the same however their octets are cut into pieces", () => {
    const records = fc.array(fc.record({ name: fc.string({ maxLength: 20 }), count: fc.maxSafeNat() }));
    fc.assert(
      fc.property(records, fc.array(fc.nat(), { maxLength: 20 }), (made, cuts) => {
        const parts = made.map((record) => [...encode(record, format), ...(format === "json" ? [0x0a] : [])]);
        const offsets = parts.map((_, i) => parts.slice(0, i).reduce((sum, part) => sum + part.length, 0));
        expect(split(format, Buffer.from(parts.flat()), cuts)).toEqual(
          made.map((record, i) => [offsets[i], good(record)]),
        );
      }),
    );
  });

  test("any octets give values at offsets that grow, never an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 5 }), (octets, cuts) => {
        const offsets = split(format, Buffer.from(octets), cuts).map(([offset]) => offset);
        expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      }),
    );
  });
});

describe("JSON lines", () => {
  it("finds the next record behind a line that is none", () => {
    expect(split("json", Buffer.from('{"a":1}\nnope\n\r\n\n{"a":2}\r\n{"a":3'))).toEqual([
      [0, good({ a: 1 })],
      [8, bad("not JSON")],
      [16, good({ a: 2 })],
      [25, bad("ends inside a record, after 6 octets of it")],
    ]);
  });

  it("takes a last line without an end", () => {
    expect(split("json", Buffer.from('{"a":1}'))).toEqual([[0, good({ a: 1 })]]);
    expect(split("json", Buffer.from('{"a":1\nnope'))).toEqual([
      [0, bad("not JSON")],
      [7, bad("not JSON")],
    ]);
  });

  it("leaves out a line beyond the bound, once, and goes on", () => {
    const long = Buffer.alloc(3 * MAX_RECORD_OCTETS, 0x78);
    const octets = Buffer.concat([Buffer.from('{"a":1}\n'), long, Buffer.from('\n{"a":2}\n')]);
    expect(split("json", octets, [100, MAX_RECORD_OCTETS, 2 * MAX_RECORD_OCTETS])).toEqual([
      [0, good({ a: 1 })],
      [8, bad(`longer than ${MAX_RECORD_OCTETS} octets`)],
      [9 + long.length, good({ a: 2 })],
    ]);
  });
});

describe("MessagePack values", () => {
  it("stops at what is no record", () => {
    // 81 a1 61 01   {"a": 1}
    // 2a            42
    expect(split("msgpack", Buffer.from("81a161012a81a16102", "hex"))).toEqual([
      [0, good({ a: 1 })],
      [4, bad("not a record; nothing behind it is read")],
    ]);
  });

  it("says where the last value is cut short", () => {
    expect(split("msgpack", Buffer.from("81a1610181a1", "hex"), [5])).toEqual([
      [0, good({ a: 1 })],
      [4, bad("ends inside a record, after 2 octets of it")],
    ]);
  });

  it("decodes a large value that comes in many pieces a few times only", () => {
    const unpack = vi.spyOn(Unpackr.prototype, "unpackMultiple");
    const octets = Buffer.from(encode({ a: Array.from({ length: 500_000 }, () => ({ b: 1 })) }, "msgpack"));
    const pieces = Array.from({ length: octets.length >> 14 }, (_, n) => n << 14);
    expect(split("msgpack", octets, pieces).map(([at, { ok }]) => [at, ok])).toEqual([[0, true]]);
    expect(pieces.length).toBeGreaterThan(100);
    expect(unpack.mock.calls.length).toBeLessThan(30);
    unpack.mockRestore();
  });

  it("gives up a value beyond the bound", () => {
    // 81 a1 61 c6 7f ff ff ff   {"a": 2 GiB of binary data}
    const octets = Buffer.concat([Buffer.from("81a161c67fffffff", "hex"), Buffer.alloc(MAX_RECORD_OCTETS)]);
    expect(split("msgpack", octets, [100, 200_000])).toEqual([[0, bad(`longer than ${MAX_RECORD_OCTETS} octets`)]]);
  });
});
