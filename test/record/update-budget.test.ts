import { describe, expect, it } from "vitest";
import { UpdateBudget } from "../../src/record/update-budget.ts";
import { SESSION_WORDS, SessionTable, SUBFLOWS } from "../../src/session/session-table.ts";

const NOW = 1_790_000_000_000_000;
const SECOND = 1_000_000;

/** Sessions that have so many subflows, and how many of `tries` updated records of one there may be at a time. */
function sessions(subflows: number, count = 1) {
  const table = new SessionTable(count);
  for (let session = 0; session < count; session++) {
    table.allocate(NOW);
    table.words[session * SESSION_WORDS + SUBFLOWS] = subflows;
  }
  const budget = new UpdateBudget();
  const granted = (session: number, atMicros: number, tries = 1000): number =>
    Array.from({ length: tries }, () => budget.take(table, session, atMicros)).filter(Boolean).length;
  return granted;
}

describe("updated records", () => {
  it.each([1, 8])("of a session with %i subflows: some at once, then one a second", (subflows) => {
    const granted = sessions(subflows);
    expect(granted(0, NOW)).toBe(33);
    expect(granted(0, NOW + SECOND / 2)).toBe(0);
    expect(granted(0, NOW + 3 * SECOND)).toBe(3);
  });

  it("are fewer the longer they are: 256 subflows cost 32 times as much", () => {
    const granted = sessions(256);
    expect(granted(0, NOW)).toBe(2);
    expect(granted(0, NOW + 31 * SECOND)).toBe(0);
    expect(granted(0, NOW + 32 * SECOND)).toBe(1);
  });

  it("of all sessions are so many, however many sessions there are", () => {
    const granted = sessions(1, 1000);
    const all = (atMicros: number): number =>
      Array.from({ length: 1000 }, (_, session) => granted(session, atMicros, 34)).reduce((a, b) => a + b);
    expect(all(NOW)).toBe(8193);
    expect(all(NOW + SECOND)).toBe(2048);
  });

  it("are not stopped by one packet of another day", () => {
    const granted = sessions(1);
    expect(granted(0, NOW + 86_400 * SECOND, 1)).toBe(1);
    expect(granted(0, NOW)).toBe(33);
  });
});
