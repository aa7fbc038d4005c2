import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryOutbox } from "../../collectors/outbox/memory.ts";
import {
  type Batch,
  type OutboxRecord,
  type Outcome,
  RECORD_CLASSES,
  type RecordClass,
} from "../../collectors/outbox/outbox.ts";

const ROOMY = { maxRecords: 1000, maxOctets: 10_000_000 };
const record = (recordClass: RecordClass, key: string, octets = 10): OutboxRecord => ({
  recordClass,
  topic: "t",
  key,
  value: new Uint8Array(octets),
  headers: {},
});
const keys = (batch: Batch | null) => batch?.records.map(({ key }) => key);
const all = (outcome: Outcome, batch: Batch | null) => (batch?.records ?? []).map(() => outcome);

describe("MemoryOutbox", () => {
  test("hands out records of all classes in the order they came", async () => {
    const outbox = new MemoryOutbox(ROOMY);
    outbox.append([record("opened", "1"), record("ended", "2"), record("updated", "3"), record("opened", "4")]);
    expect(keys(await outbox.read(3, 1_000_000))).toEqual(["1", "2", "3"]);
  });

  test("a batch ends at the octet limit, but one record always goes", async () => {
    const outbox = new MemoryOutbox(ROOMY);
    outbox.append([record("ended", "1", 5000), record("ended", "2", 5000)]);
    const batch = await outbox.read(10, 100);
    expect(keys(batch)).toEqual(["1"]);
    outbox.settle(all("acknowledged", batch));
    expect(keys(await outbox.read(10, 100))).toEqual(["2"]);
  });

  test("read waits for a record", async () => {
    const outbox = new MemoryOutbox(ROOMY);
    const batch = outbox.read(10, 1000);
    outbox.append([record("ended", "1")]);
    expect(keys(await batch)).toEqual(["1"]);
  });

  test("unsent records come again first, refused ones are counted as shed", async () => {
    const outbox = new MemoryOutbox(ROOMY);
    outbox.append(["1", "2", "3", "4"].map((key) => record("ended", key)));
    await outbox.read(3, 10_000);
    outbox.settle(["acknowledged", "unsent", "refused"]);
    expect(keys(await outbox.read(3, 10_000))).toEqual(["2"]);
    outbox.settle(["acknowledged"]);
    expect(keys(await outbox.read(3, 10_000))).toEqual(["4"]);
    expect(outbox.stats()).toMatchObject({ made: 4, acknowledged: 2, stored: 1, shed: { "refused/ended": 1 } });
  });

  test("full: chunks go first, then updates, openings, ledgers, ends, findings; the oldest of each first", async () => {
    const outbox = new MemoryOutbox({ ...ROOMY, maxRecords: 4 });
    outbox.append([
      record("finding", "f1"),
      record("ended", "e1"),
      record("opened", "o1"),
      record("updated", "u1"),
      record("chunk", "c1"),
      record("ledger", "l1"),
      record("updated", "u2"),
      record("ended", "e2"),
      record("ended", "e3"),
      record("ended", "e4"),
      record("ended", "e5"),
    ]);
    expect(outbox.stats().shed).toEqual({
      "full/chunk": 1,
      "full/updated": 2,
      "full/opened": 1,
      "full/ledger": 1,
      "full/ended": 2,
    });
    expect(keys(await outbox.read(10, 10_000))).toEqual(["f1", "e3", "e4", "e5"]);
  });

  test("full by octets", () => {
    const outbox = new MemoryOutbox({ maxRecords: 100, maxOctets: 10_000 });
    outbox.append([record("ended", "1", 4000), record("ended", "2", 4000), record("ended", "3", 4000)]);
    expect(outbox.stats()).toMatchObject({ stored: 2, shed: { "full/ended": 1 } });
  });

  test("a record that was shed is no longer held", async () => {
    const outbox = new MemoryOutbox({ ...ROOMY, maxRecords: 100 });
    for (let n = 0; n < 100; n++) outbox.append([record("ended", "kept")]);
    const first: WeakRef<OutboxRecord>[] = [];
    // Fewer than half: the array has not been moved since.
    for (let n = 0; n < 120; n++) {
      const one = record("ended", String(n));
      if (n < 20) first.push(new WeakRef(one));
      outbox.append([one]);
    }
    expect(outbox.stats().shed).toEqual({ "full/ended": 120 });
    setFlagsFromString("--expose-gc");
    // What a weak reference was made of lives until the turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    runInNewContext("gc")();
    expect(first.filter((one) => one.deref() !== undefined)).toEqual([]);
  });

  test("what is under way is not shed: a new record that does not fit beside it is", async () => {
    const outbox = new MemoryOutbox({ ...ROOMY, maxRecords: 2 });
    outbox.append([record("updated", "1"), record("updated", "2")]);
    const batch = await outbox.read(2, 10_000);
    outbox.append([record("ended", "3")]);
    expect(outbox.stats().shed).toEqual({ "full/ended": 1 });
    outbox.settle(all("acknowledged", batch));
    expect(outbox.stats()).toMatchObject({ acknowledged: 2, stored: 0, storedOctets: 0 });
  });

  test("closed: the rest is read, then null; later records are shed", async () => {
    const outbox = new MemoryOutbox(ROOMY);
    outbox.append([record("ended", "1")]);
    outbox.close();
    outbox.append([record("ended", "2")]);
    outbox.settle(all("acknowledged", await outbox.read(10, 1000)));
    expect(await outbox.read(10, 1000)).toBeNull();
    expect(outbox.stats().shed).toEqual({ "closed/ended": 1 });
  });

  test("made = acknowledged + stored + shed, and keys keep their order, whatever happens", async () => {
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constant("append" as const),
          class: fc.constantFrom(...RECORD_CLASSES),
          octets: fc.nat(3000),
        }),
      },
      fc.record({
        do: fc.constant("read" as const),
        outcomes: fc.array(fc.constantFrom<Outcome>("acknowledged", "refused", "unsent"), {
          minLength: 8,
          maxLength: 8,
        }),
        during: fc.nat(6),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, abandon) => {
        const outbox = new MemoryOutbox({ maxRecords: 6, maxOctets: 9000 });
        let number = 0;
        let sent = -1;
        const hold = () => {
          const { made, acknowledged, stored, storedOctets, shed } = outbox.stats();
          expect(made).toBe(number);
          expect(acknowledged + stored + Object.values(shed).reduce((sum, count) => sum + count, 0)).toBe(made);
          expect(stored).toBeLessThanOrEqual(6);
          expect(storedOctets).toBeLessThanOrEqual(9000);
        };
        for (const one of steps) {
          if (one.do === "append") {
            outbox.append([record(one.class, String(number++), one.octets)]);
          } else if (outbox.stats().stored > 0) {
            const batch = (await outbox.read(8, 1_000_000))?.records ?? [];
            for (let i = 0; i < one.during; i++) outbox.append([record("opened", String(number++))]);
            // A sink settles in order: nothing after the first unsent record of a key has gone.
            const firstUnsent = one.outcomes.indexOf("unsent");
            const outcomes = batch.map((_, i) =>
              firstUnsent >= 0 && i >= firstUnsent ? "unsent" : (one.outcomes[i] ?? "acknowledged"),
            );
            for (const [i, { key }] of batch.entries()) {
              if (outcomes[i] !== "acknowledged") continue;
              expect(Number(key)).toBeGreaterThan(sent);
              sent = Number(key);
            }
            outbox.settle(outcomes);
          }
          hold();
        }
        if (abandon) {
          outbox.abandon();
          hold();
          expect(outbox.stats().stored).toBe(0);
        }
      }),
    );
  });
});
