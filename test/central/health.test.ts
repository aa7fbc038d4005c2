import { expect, it } from "vitest";
import { readyHealth, startedHealth } from "../../collectors/central/health.ts";

const ROOM = { maxRecords: 100, maxOctets: 1000 };
const stored = (records: number, octets: number) => ({
  ...{ made: records, acknowledged: 0, stored: records, storedOctets: octets, oldestMs: 0, shed: {} },
});

it("a collector has started once its sockets are open and its records have a place, and stays so", () => {
  expect(startedHealth("starting")).toEqual({
    well: false,
    reasons: ["sockets are being opened, or records have no place yet"],
  });
  expect([startedHealth("receiving").well, startedHealth("draining").well]).toEqual([true, true]);
});

it.each([
  ["starting", null, false, /have no place yet/],
  ["receiving", stored(0, 0), true, /^0 % of the outbox/],
  ["receiving", stored(80, 0), true, /^80 % of the outbox/],
  ["receiving", stored(81, 0), false, /^81 % of the outbox is taken, more than 80 %: the sink is away or slow$/],
  ["receiving", stored(1, 900), false, /^90 % of the outbox/],
  ["draining", stored(0, 0), false, /drains/],
] as const)("%s with %o in the outbox: ready %s", (phase, records, well, reason) => {
  const health = readyHealth(phase, records, ROOM);
  expect(health.well).toBe(well);
  expect(health.reasons.at(-1)).toMatch(reason);
});
