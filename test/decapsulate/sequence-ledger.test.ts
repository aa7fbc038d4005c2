import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SequenceLedger } from "../../src/decapsulate/sequence-ledger.ts";

/** What the ledger says after these numbers. */
function ledgerOf(...sequences: number[]): Record<string, number> {
  const ledger = new SequenceLedger();
  for (const sequence of sequences) ledger.count(sequence);
  const { lost, late, duplicate, restarted } = ledger;
  return { lost, late, duplicate, restarted };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

const NONE = { lost: 0, late: 0, duplicate: 0, restarted: 0 };

describe("sequence ledger (RFC 2890 §2.2)", () => {
  it.each<[name: string, sequences: number[], told: object]>([
    ["in order", [0, 1, 2, 3], {}],
    ["a stream joined in the middle", [7_000, 7_001], {}],
    ["one lost", [0, 1, 3], { lost: 1 }],
    ["many lost", [0, 10], { lost: 9 }],
    ["late, and no longer lost", [0, 2, 1, 3], { late: 1 }],
    ["a duplicate", [0, 1, 1, 2], { duplicate: 1 }],
    ["a duplicate of an older one", [0, 1, 2, 3, 1], { duplicate: 1 }],
    ["late, then again", [0, 2, 1, 1], { late: 1, duplicate: 1 }],
    [
      "a duplicate whose place in the window was a lost number's",
      [...upTo(5 + 1024 + 1).filter((n) => n !== 5), 5 + 1024],
      { lost: 1, duplicate: 1 },
    ],
    ["the wrap", [0xfffffffe, 0xffffffff, 0, 1], {}],
    ["a loss over the wrap", [0xfffffffe, 1], { lost: 2 }],
    ["late over the wrap", [0xffffffff, 1, 0], { late: 1 }],
    ["a restart far back", [5_000, 5_001, 0, 1, 2], { restarted: 1 }],
    ["a restart after few packets", [0, 1, 2, 0, 1, 2], { restarted: 1 }],
    ["a restart after few packets, as soon as its second copy comes", [...upTo(10), 0, 1], { restarted: 1 }],
    ["a restart that loses copies at once", [...upTo(10), 0, 1, 4, 6], { lost: 3, restarted: 1 }],
    ["a restart that comes as far as before and further", [...upTo(10), ...upTo(20), 21], { lost: 1, restarted: 1 }],
    ["a restart whose second number had been lost before", [0, 2, 3, 0, 1, 2, 3, 4], { lost: 1, restarted: 1 }],
    ["restart after restart", [...upTo(10), ...upTo(5), ...upTo(3), 3], { restarted: 2 }],
    ["the first copy doubled at once", [0, 0, 1, 2], { duplicate: 1 }],
    ["the first copy doubled later", [...upTo(10), 0, 10, 11], { duplicate: 1 }],
    ["the first copy doubled, and the next one lost", [...upTo(10), 0, 11], { lost: 1, duplicate: 1 }],
    ["the first copy doubled twice", [...upTo(10), 0, 0, 10], { duplicate: 2 }],
    ["the first copy doubled, then a restart", [...upTo(10), 0, ...upTo(5), 5], { duplicate: 1, restarted: 1 }],
    ["the first two copies doubled", [...upTo(10), 0, 1, 10, 11], { duplicate: 2 }],
    ["the first two copies doubled, and the next one lost", [...upTo(10), 0, 1, 11], { lost: 1, duplicate: 2 }],
    ["the first copy doubled, the second one late", [0, 2, 3, 0, 1, 4], { late: 1, duplicate: 1 }],
    ["a restart after 400 packets whose first copy is lost", [...upTo(400), ...upTo(400).slice(1)], { restarted: 1 }],
    ["a copy repeated 31 times in a row is no restart", [...upTo(40), ...upTo(32).slice(1), 40], { duplicate: 31 }],
    [
      "each packet twice is no restart",
      upTo(100)
        .slice(1)
        .flatMap((n) => [n, n]),
      { duplicate: 99 },
    ],
    ["a jump ahead of 2^24", [7, 7 + 2 ** 24], { lost: 2 ** 24 - 1 }],
    ["a jump ahead of more is a restart", [7, 8 + 2 ** 24, 9 + 2 ** 24], { restarted: 1 }],
    ["a jump ahead by 1.9e9", [7, 1_900_000_007, 8], { restarted: 2 }],
    ["loss before a restart stays", [0, 2, 4, 9_000, 0, 1], { lost: 1 + 1 + 8_995, restarted: 1 }],
  ])("%s", (_, sequences, told) => {
    expect(ledgerOf(...sequences)).toEqual({ ...NONE, ...told });
  });

  it("agrees with a set of all numbers seen, whatever is lost, swapped and doubled within the window", () => {
    const start = fc.oneof(fc.constant(0), fc.constant(0xfffffff0), fc.integer({ min: 1, max: 0xffffffff }));
    // Fewer than 32 back: more consecutive duplicates in a row would be a restart.
    const step = fc.record({ back: fc.oneof(fc.constant(0), fc.nat(30)), lose: fc.nat(3), again: fc.boolean() });
    fc.assert(
      fc.property(start, fc.array(step, { minLength: 1, maxLength: 400, size: "max" }), (first, steps) => {
        const numbers = [0];
        let next = 1;
        for (const { back, lose, again } of steps) {
          next += lose;
          // Never before the first one: that would be no loss of this stream.
          numbers.splice(Math.max(1, numbers.length - back), 0, next++);
          if (again) numbers.push(next - 1);
        }
        const ledger = new SequenceLedger();
        const seen = new Set<number>();
        let [late, duplicate, newest] = [0, 0, 0];
        for (const [i, number] of numbers.entries()) {
          const sequence = (first + number) >>> 0;
          // A zero that comes again is a restart where a 1 follows that might have come before.
          if (seen.has(number) && sequence === 0 && numbers[i + 1] === number + 1) continue;
          ledger.count(sequence);
          if (seen.has(number)) duplicate++;
          else if (number < newest) late++;
          seen.add(number);
          newest = Math.max(newest, number);
        }
        expect(ledger).toMatchObject({ lost: newest + 1 - seen.size, late, duplicate, restarted: 0 });
      }),
    );
  });

  it("every packet is new or a duplicate, and none is lost that came, in whatever order numbers come", () => {
    const run = fc.record({ from: fc.oneof(fc.constant(0), fc.nat(70)), length: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 20, size: "max" }), (runs) => {
        const ledger = new SequenceLedger();
        let came = 0;
        for (const { from, length } of runs) {
          for (let number = from; number < from + length; number++) {
            ledger.count(number);
            came++;
            expect(ledger.received + ledger.duplicate).toBe(came);
            expect(Math.min(ledger.lost, ledger.late, ledger.duplicate, ledger.restarted)).toBeGreaterThanOrEqual(0);
          }
        }
      }),
    );
  });

  it("a beginning that comes again while its numbering goes on is doubled, copy by copy", () => {
    const length = fc.integer({ min: 32, max: 1000 });
    fc.assert(
      fc.property(length, fc.integer({ min: 1, max: 31 }), fc.nat(20), (first, again, lost) => {
        const numbers = [...upTo(first), ...upTo(again), first + lost, first + lost + 1];
        expect(ledgerOf(...numbers)).toEqual({ ...NONE, lost, duplicate: again });
      }),
    );
  });

  it("a sender that begins again is told, however far it had come and however many first copies are lost", () => {
    fc.assert(
      fc.property(fc.integer({ min: 64, max: 5_000 }), fc.nat(31), fc.nat(500), (first, missed, more) => {
        const second = upTo(missed + 32 + more).slice(missed);
        expect(ledgerOf(...upTo(first), ...second)).toEqual({ ...NONE, restarted: 1 });
      }),
    );
  });
});
