import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timeText } from "../../src/record/time-text.ts";

describe("timeText", () => {
  it.each([
    [0, "1970-01-01T00:00:00.000000Z"],
    [1, "1970-01-01T00:00:00.000001Z"],
    [1_790_000_000_123_456, "2026-09-21T14:13:20.123456Z"],
    [1_790_000_000_123_456.5, "2026-09-21T14:13:20.123456Z"],
    [-1, "1969-12-31T23:59:59.999999Z"],
  ])("%d", (micros, text) => {
    expect(timeText(micros)).toBe(text);
  });

  it("is what Date says, in milliseconds, and sorts as time does", () => {
    const micros = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
    fc.assert(
      fc.property(micros, micros, (a, b) => {
        expect(Date.parse(timeText(a))).toBe(Math.floor(a / 1000));
        expect(Math.sign(a - b)).toBe(timeText(a) < timeText(b) ? -1 : timeText(a) > timeText(b) ? 1 : 0);
      }),
    );
  });

  it("a time outside of the years that four digits write is shown as their limit", () => {
    expect(timeText(1e22)).toBe("9999-12-31T23:59:59.000000Z");
    expect(timeText(-1e22)).toBe("0000-01-01T00:00:00.000000Z");
    expect(timeText(Number.NaN)).toBe("1970-01-01T00:00:00.000000Z");
  });
});
