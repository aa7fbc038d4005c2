import { describe, expect, it } from "vitest";
import { Translations } from "../../src/subflow/translations.ts";

describe("translated flows", () => {
  it("are a subflow's, and those of what turns out to be the same subflow", () => {
    const translations = new Translations();
    expect(translations.add(2, 1, 1)).toBe(true);
    expect(translations.add(1, 0, 1)).toBe(true);
    expect([translations.of(1), translations.of(2)]).toEqual([
      { subflow: 0, swapped: 1 },
      { subflow: 0, swapped: 0 },
    ]);
    expect([translations.flowsOf(0), translations.flowsOf(1)]).toEqual([[1, 2], []]);
  });

  it("are four of one subflow", () => {
    const translations = new Translations();
    expect([1, 2, 3, 4, 5].map((flow) => translations.add(flow, 0, 0))).toEqual([true, true, true, true, false]);
    expect(translations.flowsOf(0)).toEqual([1, 2, 3, 4]);
  });

  it("are forgotten one by one, and leave room", () => {
    const translations = new Translations();
    for (const flow of [1, 2, 3, 4]) translations.add(flow, 0, 0);
    translations.remove(2);
    expect([translations.of(2), translations.flowsOf(0), translations.isEmpty]).toEqual([undefined, [1, 3, 4], false]);
    expect(translations.add(5, 0, 0)).toBe(true);
    for (const flow of [1, 3, 4, 5]) translations.remove(flow);
    translations.remove(9);
    expect([translations.flowsOf(0), translations.isEmpty]).toEqual([[], true]);
  });
});
