import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlowIndex } from "../../src/subflow/flow-index.ts";

/** Hashes that collide: few values, next to each other, at the end of the table, alike in their low bits. */
const hash = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 1020, max: 1023 }),
  fc.integer({ min: 0, max: 7 }).map((n) => (n * 0x10000000) >>> 0),
  fc.integer({ min: 0, max: 0xffffffff }),
);

describe("flow index", () => {
  it("agrees with a plain Map, whatever collides", () => {
    const operation = fc.record({ kind: fc.constantFrom("insert", "insert", "remove", "find"), hash, pick: fc.nat() });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400, size: "max" }), (operations) => {
        const keys = new Map<number, { hash: number; key: number }>();
        const index = new FlowIndex((record, key) => keys.get(record)?.key === key);
        let next = 0;
        for (const { kind, hash, pick } of operations) {
          const records = [...keys.keys()];
          const record = records[pick % Math.max(records.length, 1)];
          const known = record === undefined ? undefined : keys.get(record);
          if (kind === "insert") {
            keys.set(next, { hash, key: next + 1000 });
            index.insert(hash, next++);
          } else if (record !== undefined && known !== undefined) {
            if (kind === "remove") {
              index.remove(known.hash, record);
              keys.delete(record);
              expect(index.find(known.hash, known.key)).toBe(-1);
            } else expect(index.find(known.hash, known.key)).toBe(record);
          }
          expect(index.find(hash, -1)).toBe(-1);
        }
        for (const [record, { hash, key }] of keys) {
          expect(index.find(hash, key)).toBe(record);
          const same = [...keys].filter(([, other]) => other.hash === hash).map(([other]) => other);
          expect(index.candidates(hash).sort()).toEqual(same.sort());
          expect(index.hasOther(hash, record)).toBe(same.length > 1);
          expect(index.hasOther(hash, next)).toBe(true);
        }
      }),
    );
  });

  it("grows past its first slots, and shrinks to nothing without a trace", () => {
    const hashes = new Map<number, number>();
    const index = new FlowIndex((record, key) => record === key);
    for (let record = 0; record < 20_000; record++) {
      const hash = Math.imul(record % 5_000, 0x9e3779b1) >>> 0;
      hashes.set(record, hash);
      index.insert(hash, record);
    }
    for (const [record, hash] of hashes) expect(index.find(hash, record)).toBe(record);
    for (const [record, hash] of hashes) index.remove(hash, record);
    for (const [record, hash] of hashes) expect(index.find(hash, record)).toBe(-1);
  });

  it("removing what is not there changes nothing", () => {
    const index = new FlowIndex((record, key) => record === key);
    index.insert(5, 1);
    index.remove(5, 2);
    index.remove(6, 1);
    expect(index.find(5, 1)).toBe(1);
  });

  it("guesses the record, or one with the same hash", () => {
    const index = new FlowIndex(() => false);
    index.insert(5, 1);
    index.insert(1029, 2);
    const guess = new Int32Array(3);
    index.guess(Uint32Array.of(5, 1029, 7), 3, guess);
    expect([...guess]).toEqual([1, 2, -1]);
  });
});
