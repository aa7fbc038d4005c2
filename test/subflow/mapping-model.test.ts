import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { Mappings } from "../../src/subflow/mapping.ts";
import { advance } from "../../src/subflow/plausibility.ts";
import * as events from "../../src/subflow/subflow-events.ts";
import * as table from "../../src/subflow/subflow-row.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { DSS_DSN_64, DSS_MAPPING, MptcpOptions } from "../../src/wire/mptcp.ts";
import { type PacketShape, vectorOf } from "../encapsulate/packets.ts";

const SHAPE: PacketShape = {
  ...{ family: 4, source: [10, 0, 0, 1], destination: [10, 0, 0, 2], sourcePort: 1, destinationPort: 2 },
  ...{ flags: 0x10, seq: 1, option: true, atMicros: 0 },
};
/** Octets of the subflow that are looked at: the value of each is its place. */
const ROOM = 256;

/** One thing that a segment does; ssn counts from `origin`. */
type Step =
  | { readonly kind: "map"; readonly ssn: number; readonly length: number; readonly dsn: number }
  | { readonly kind: "data"; readonly ssn: number; readonly length: number };

/** The plain way: an array with an entry for each octet. */
class Model {
  /** DSN of each octet by the mapping that was announced first; undefined while there is none. */
  private readonly dsn: (number | undefined)[] = new Array(ROOM);
  readonly seen = new Set<number>();
  /** `octet:dsn` by any mapping, the first or a later one. */
  readonly stated = new Set<string>();
  /** Octets that came while they had no DSN. */
  readonly waiting = new Set<number>();

  /** Octets that get a DSN by this step: `octet:dsn`. */
  take(step: Step): string[] {
    const got: number[] = [];
    for (let octet = step.ssn; octet < Math.min(step.ssn + step.length, ROOM); octet++) {
      if (step.kind === "map") {
        this.dsn[octet] ??= step.dsn + octet - step.ssn;
        this.stated.add(`${octet}:${step.dsn + octet - step.ssn}`);
        if (this.waiting.delete(octet)) got.push(octet);
      } else {
        const isNew = !this.seen.has(octet);
        this.seen.add(octet);
        if (this.dsn[octet] !== undefined) got.push(octet);
        else if (isNew) this.waiting.add(octet);
      }
    }
    return got.map((octet) => `${octet}:${this.dsn[octet]}`);
  }
}

/** The library's way, with octets that say where they belong. */
class Real {
  readonly vector = vectorOf([SHAPE]);
  readonly subflows: SubflowTable;
  readonly mappings: Mappings;
  private readonly out = new events.SubflowEvents();
  private readonly at: number;
  private readonly origin: number;

  constructor(origin: number) {
    this.origin = origin;
    const keys = new FlowKeys(1);
    keys.read(this.vector, 0, 1);
    this.subflows = new SubflowTable(1, 1, 1, keys);
    this.subflows.allocate(keys, 0, 0);
    this.mappings = new Mappings(this.subflows, this.out);
    this.at = table.direction(0, 0);
    this.subflows.hot[this.at + table.NEXT_SSN] = origin;
    this.vector.use(Uint8Array.from({ length: ROOM }, (_, octet) => octet));
    this.vector.length = 1;
  }

  take(step: Step): string[] {
    this.mappings.watched.clear();
    const ssn = (this.origin + step.ssn) >>> 0;
    const { vector, out } = this;
    if (step.kind === "map") {
      const stated = { dss: DSS_MAPPING | DSS_DSN_64, ssn, dataLength: step.length, dsnHi: 7, dsnLo: step.dsn };
      this.mappings.take(0, 0, 0, Object.assign(new MptcpOptions(), stated));
      return this.later();
    }
    const length = Math.min(step.length, ROOM - step.ssn);
    vector.payloadAt[0] = step.ssn;
    vector.payloadLength[0] = vector.payloadCaptured[0] = length;
    const next = this.subflows.hot[this.at + table.NEXT_SSN] ?? 0;
    advance(this.subflows.hot, this.at, ssn + length);
    const kind = this.mappings.place(vector, 0, 0, 0, ssn, next);
    const got = this.later();
    if (kind & events.DATA) {
      got.push(...this.octets(vector.block, out.dataAt[0] ?? 0, out.dataLength[0] ?? 0, out.dsnLo[0] ?? 0));
    }
    return got;
  }

  private later(): string[] {
    return this.mappings.watched.later.flatMap(({ block, at, length, dsnLo, captured, dsnHi }) => {
      expect([captured, dsnHi]).toEqual([length, 7]);
      return this.octets(block, at, length, dsnLo);
    });
  }

  private octets(block: Uint8Array, at: number, length: number, dsn: number): string[] {
    return Array.from({ length }, (_, n) => `${block[at + n]}:${dsn + n}`);
  }
}

const length = fc.oneof(fc.constantFrom(10, 20), fc.integer({ min: 1, max: 60 }));
/**
 * Mostly what a sender does: in order, octet n of the subflow with DSN 1,000 + n. Now and then another place (from the
 * end of what was seen or mapped), or another DSN.
 */
const intent = fc.record({
  kind: fc.constantFrom("data" as const, "map" as const),
  length,
  away: fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constantFrom(-20, -10, -5, 5, 10) },
  ),
  dsn: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(5000) }),
});

/** Makes steps of intents, each after what the ones before have reached. */
function stepsOf(intents: readonly (typeof intent extends fc.Arbitrary<infer T> ? T : never)[]): Step[] {
  const end = { data: 0, map: 0 };
  return intents.map(({ kind, length, away, dsn }) => {
    const ssn = Math.min(Math.max(end[kind] + away, 0), ROOM - 1);
    end[kind] = Math.max(end[kind], ssn + length);
    return kind === "data" ? { kind, ssn, length } : { kind, ssn, length, dsn: dsn ?? 1000 + ssn };
  });
}

describe("mappings against a plain model, step by step", () => {
  it("in any order, over one another, late, repeated and partly filled", () => {
    fc.assert(
      fc.property(
        fc.array(intent, { maxLength: 16, size: "max" }).map(stepsOf),
        fc.constantFrom(1, 1000, 2 ** 31 - 100, 2 ** 32 - 150),
        (steps, origin) => {
          // More mappings than are kept have a test of their own.
          fc.pre(steps.filter(({ kind }) => kind === "map").length <= 8);
          const [model, real] = [new Model(), new Real(origin)];
          for (const one of steps) {
            // A mapping that is forgotten, because all of its octets came, gives nothing to those that come again; a newer
            // one of the same octets may.
            const before = new Set(model.seen);
            const expected = new Set(model.take(one));
            const got = real.take(one);
            const isNew = (octet: string): boolean => one.kind === "map" || !before.has(Number(octet.split(":")[0]));
            const isAllowed = (octet: string): boolean =>
              expected.has(octet) || (!isNew(octet) && model.stated.has(octet));
            expect(got.filter((octet) => !isAllowed(octet))).toEqual([]);
            for (const octet of expected) if (isNew(octet)) expect(got).toContain(octet);
          }
          const held = real.subflows.watched.get(0)?.[0]?.heldOctets ?? 0;
          expect(held).toBe(model.waiting.size);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
