import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RateBound } from "../../src/decapsulate/rate-bound.ts";
import { StreamLedger } from "../../src/decapsulate/stream-ledger.ts";
import { PacketVector } from "../../src/vector.ts";
import { emptyReport } from "../../src/wire/agent-report.ts";

const NAMES = { name: "router1", address: "192.0.2.1", key: 7, encapsulation: "gre" } as const;

/** A stream's ledger, fed packet by packet. */
class Fed {
  readonly ledger: StreamLedger;
  private readonly vector = new PacketVector();
  private atMicros = 1e15;

  constructor(bound: RateBound | null = null) {
    this.ledger = new StreamLedger(NAMES, bound);
    this.vector.use(new Uint8Array(1));
  }

  packet(number: number, afterMicros = 1000): boolean {
    this.atMicros += afterMicros;
    this.vector.clear();
    this.vector.add(0, 1, 1, this.atMicros, 101, 0);
    return this.ledger.count(number % 2 ** 32, 100, this.vector, 0);
  }

  report(number: number, numbered = number + 1, run = 1): void {
    this.packet(number);
    const report = { ...emptyReport(), startedMicros: run, number, numbered, isLast: numbered > number + 1 };
    this.ledger.report(report, this.atMicros);
  }

  get told() {
    const { lost = 0, unheard = 0, packets = 0, duplicate = 0 } = this.ledger.ledger() ?? {};
    return { lost, unheard, came: packets - duplicate };
  }

  get doubt() {
    const { duplicate = 0, restarted = 0 } = this.ledger.ledger() ?? {};
    return { duplicate, restarted };
  }
}

describe("what an agent says it sent, against what came", () => {
  it("packets before the first that came are unheard, once a report says so", () => {
    const fed = new Fed();
    for (const number of [1000, 1001, 1003]) fed.packet(number);
    expect(fed.told).toEqual({ lost: 1, unheard: 0, came: 3 });
    fed.report(1004);
    expect(fed.told).toEqual({ lost: 1, unheard: 1000, came: 4 });
    fed.report(1006);
    expect(fed.told).toEqual({ lost: 2, unheard: 1000, came: 5 });
  });

  it("what is missing behind the last report is lost until it comes", () => {
    const fed = new Fed();
    fed.packet(0);
    fed.report(2, 5);
    expect(fed.told).toEqual({ lost: 3, unheard: 0, came: 2 });
    fed.report(4, 5);
    expect(fed.told).toEqual({ lost: 2, unheard: 0, came: 3 });
    fed.report(3, 5);
    expect(fed.told).toEqual({ lost: 1, unheard: 0, came: 4 });
  });

  it("a run that follows another has its own beginning", () => {
    const fed = new Fed();
    for (let number = 0; number < 2000; number++) fed.packet(number);
    fed.report(2000);
    fed.packet(5);
    fed.report(7, 8, 2);
    expect(fed.told).toEqual({ lost: 1, unheard: 5, came: 2003 });
  });

  it("what was missing at the end of a run is neither more nor less once the next has begun", () => {
    const fed = new Fed();
    for (let number = 0; number < 12_000; number++) fed.packet(number);
    fed.report(12_000, 12_004);
    expect(fed.told).toEqual({ lost: 3, unheard: 0, came: 12_001 });
    for (let number = 0; number < 500; number++) {
      fed.packet(number);
      expect(fed.told).toEqual({ lost: 3, unheard: 0, came: 12_002 + number });
    }
    fed.report(500, 501, 2);
    expect(fed.told).toEqual({ lost: 3, unheard: 0, came: 12_502 });
  });

  /** Packets of a run, all but those named. */
  const run = (fed: Fed, end: number, missed: readonly number[]): void => {
    for (let number = 0; number < end; number++) if (!missed.includes(number)) fed.packet(number);
  };
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

  it.each<[name: string, numbered: number, missed: number[], reportAt: number]>([
    ["a short one within the old numbers", 1000, [0, 1, 2, 3, 4, 10], 19],
    ["a report before the numbers show that they began anew", 1000, [0, 1, 2, 3, 4], 20],
    ["one that comes over the old numbers, of which the last were lost", 17, [0, 1, 2, 3, 4], 30],
    ["one that is heard only beyond the old numbers", 100, upTo(150), 200],
  ])("a run of which only its report tells that it is another: %s", (_, first, missed, reportAt) => {
    const fed = new Fed();
    run(fed, first, []);
    fed.report(first, first + 3);
    run(fed, reportAt, missed);
    fed.report(reportAt, reportAt + 1, 2);
    const { lost, unheard, came } = fed.told;
    expect({ came, missed: lost + unheard }).toEqual({
      came: first + 1 + reportAt + 1 - missed.length,
      missed: 2 + missed.length,
    });
    expect(fed.doubt).toEqual({ duplicate: 0, restarted: 1 });
    // It goes on as any other does.
    fed.packet(reportAt + 1);
    fed.report(reportAt + 3, reportAt + 4, 2);
    expect(fed.told.lost + fed.told.unheard).toBe(2 + missed.length + 1);
    expect(fed.doubt).toEqual({ duplicate: 0, restarted: 1 });
  });

  it("beyond 2^32 numbers", () => {
    const fed = new Fed();
    const first = 3 * 2 ** 32 - 2;
    for (const step of [0, 1, 3]) fed.packet(first + step);
    fed.report(first + 4);
    expect(fed.told).toEqual({ lost: 1, unheard: first, came: 4 });
  });

  it("forged reports of ever other runs leave a count that a record can hold", () => {
    const fed = new Fed();
    fed.packet(0);
    for (let run = 1; run <= 3000; run++) fed.report(2 ** 53 - 2, 2 ** 53 - 1, run);
    expect(fed.told.unheard).toBe(Number.MAX_SAFE_INTEGER);
  });

  it("adds up to the number of numbers given, whatever was lost, doubled, late, and when the collector began", () => {
    const fates = fc.array(fc.constantFrom("comes", "lost", "twice", "late"), { maxLength: 50 });
    fc.assert(
      fc.property(fc.array(fates, { minLength: 1, maxLength: 3 }), fc.nat(900), (runs, begin) => {
        const fed = new Fed();
        // So many that a new run's first numbers lie far behind.
        const length = 1200;
        for (const [run, plan] of runs.entries()) {
          const heard = run === 0 ? begin : 0;
          let late: number | null = null;
          for (let number = heard; number < length; number++) {
            // A first packet that comes late would be a run of its own.
            const fate = number < heard + 2 ? "comes" : (plan[number % (plan.length + 1)] ?? "comes");
            // A first packet that is doubled is none.
            if (number === heard + 300) fed.packet(heard);
            if (fate === "lost") continue;
            if (fate === "late" && late === null) {
              late = number;
              continue;
            }
            if (number % 100 === 99) fed.report(number, number + 1, run + 1);
            else fed.packet(number);
            if (fate === "twice") fed.packet(number);
            if (late !== null) fed.packet(late);
            late = null;
          }
          if (late !== null) fed.packet(late);
          fed.report(length, length + 1, run + 1);
        }
        const { lost, unheard, came } = fed.told;
        expect(came + lost + unheard).toBe(runs.length * (length + 1));
      }),
    );
  });
});

describe("copies lost from one moment to another", () => {
  it("are those whose gap was found in that time, less those that came late", () => {
    const fed = new Fed();
    for (const number of [0, 1, 3, 5, 4]) fed.packet(number, 1e6);
    const lost = (from: number, to: number): number => fed.ledger.lostBetween(1e15 + from * 1e6, 1e15 + to * 1e6);
    expect([lost(0, 2), lost(0, 3), lost(3, 3), lost(3, 4), lost(4, 9), lost(5, 9), lost(0, 9)]).toEqual([
      0, 1, 1, 2, 0, 0, 1,
    ]);
  });

  it("are none where the first copy or the first ones came again", () => {
    const fed = new Fed();
    for (const number of [0, 1, 2, 3, 0, 4, 5, 0, 1, 2, 6]) fed.packet(number, 1e6);
    expect(fed.ledger.lostBetween(0, 2e15)).toBe(0);
    expect(fed.told).toEqual({ lost: 0, unheard: 0, came: 7 });
    fed.report(7);
    expect(fed.told).toEqual({ lost: 0, unheard: 0, came: 8 });
  });

  it("are all there when there were more moments than are kept", () => {
    const fed = new Fed();
    for (let number = 0; number < 20_000; number += 2) fed.packet(number, 1e6);
    expect(fed.ledger.lostBetween(0, 2e15)).toBe(9999);
    expect(fed.ledger.lostBetween(1e15 + 9900e6, 2e15)).toBe(101);
  });
});

describe("copies lost where a clock was set", () => {
  const DAY = 86_400e6;

  it("back are those of the time after it as ever, and none that were lost before it", () => {
    const fed = new Fed();
    for (const number of [0, 2, 4]) fed.packet(number, 1e6);
    const after = 1e15 + 3e6 - DAY;
    fed.packet(6, -DAY);
    for (const number of [7, 9]) fed.packet(number, 1e6);
    expect(fed.ledger.lostBetween(after + 0.5e6, after + 1e9)).toBe(1);
    expect(fed.ledger.lostBetween(after + 3e6, after + 1e9)).toBe(0);
  });

  it("ahead, for one packet, are told at their time again", () => {
    const fed = new Fed();
    for (const number of [0, 2]) fed.packet(number, 1e6);
    fed.packet(4, DAY);
    fed.packet(6, 1e6 - DAY);
    for (const number of [7, 9]) fed.packet(number, 1e6);
    expect(fed.ledger.lostBetween(1e15 + 4e6, 1e15 + 9e6)).toBe(1);
  });
});

describe("packets a second taken of one agent", () => {
  it("a second's worth at once, then the rate, over all of its streams", () => {
    const bound = new RateBound(100);
    const [one, other] = [new Fed(bound), new Fed(bound)];
    const taken = [one, other].map(
      (fed) => Array.from({ length: 100 }, (_, n) => fed.packet(n, 0)).filter(Boolean).length,
    );
    expect(taken).toEqual([100, 1]);
    const later = Array.from({ length: 200 }, (_, n) => one.packet(100 + n, 5000)).filter(Boolean).length;
    expect(later).toBe(100);
    // They came: nothing is lost.
    expect(one.ledger.ledger()).toMatchObject({ packets: 300, lost: 0, refused: 100 });
  });

  it("packets that a device dates back get no more turns for it", () => {
    const bound = new RateBound(1000);
    let taken = 0;
    // Ten times the rate for three seconds; one in 301 is a second late by its stamp.
    for (let n = 0; n < 30_000; n++) if (!bound.isOver(1e15 + n * 100 - (n % 301 === 299 ? 999_999 : 0))) taken++;
    expect(taken).toBe(4000);
  });

  it("packet time that steps back refuses nobody for long", () => {
    const fed = new Fed(new RateBound(100));
    fed.packet(0);
    expect(fed.packet(1, -3_600e6)).toBe(true);
    expect(fed.packet(2, 1000)).toBe(true);
  });
});
