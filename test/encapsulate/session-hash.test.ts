import { expect, test } from "vitest";
import { nameHash, placeOf } from "../../src/encapsulate/session-hash.ts";

const NAMES = ["192.0.2.1 4754", "192.0.2.2 4754", "collector.example.net 4754"];
const TOKENS = Array.from({ length: 9000 }, (_, n) => (n * 2_654_435_761) >>> 0);

const all = () => true;
const hashes = (names: readonly string[]): Uint32Array => Uint32Array.from(names, nameHash);

test("sessions are shared out evenly, in whatever order places are named", () => {
  const names = hashes(NAMES);
  const reversed = hashes(NAMES.toReversed());
  const counts = [0, 0, 0];
  for (const token of TOKENS) {
    const place = placeOf(token, names, all);
    expect(NAMES[place]).toBe(NAMES.toReversed()[placeOf(token, reversed, all)]);
    counts[place] = (counts[place] ?? 0) + 1;
  }
  for (const count of counts) expect(count / TOKENS.length).toBeCloseTo(1 / 3, 1);
});

test("when a place goes, its sessions alone move", () => {
  const names = hashes(NAMES);
  for (const token of TOKENS) {
    const before = placeOf(token, names, all);
    const after = placeOf(token, names, (place) => place !== 1);
    if (before === 1) expect([0, 2]).toContain(after);
    else expect(after).toBe(before);
  }
  expect(placeOf(7, names, () => false)).toBe(-1);
});
