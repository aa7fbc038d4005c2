import { describe, expect, it } from "vitest";
import * as table from "../../src/session/session-table.ts";
import { SessionTokens } from "../../src/session/session-tokens.ts";

const TOKEN = 0x01020304;

/** Sessions whose responder has TOKEN, in the order of their numbers: orphans, half-open ones, or established ones. */
function tokensOf(...states: readonly number[]) {
  const sessions = new table.SessionTable(states.length);
  const tokens = new SessionTokens(sessions, 7);
  for (const state of states) {
    const session = sessions.allocate(0);
    sessions.set(session, state);
    sessions.words[session * table.SESSION_WORDS + table.TOKEN + 1] = TOKEN;
    tokens.add(session, 1);
  }
  return { tokens, found: tokens.streamsOf(TOKEN).map((stream) => stream >> 1) };
}

const HALF_OPEN = table.S_KEY << 1;
const ESTABLISHED = HALF_OPEN | table.S_ESTABLISHED;
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe("sessions that have one token", () => {
  it.each([
    ["orphans", table.S_ORPHAN],
    ["half-open", HALF_OPEN],
    ["established", ESTABLISHED],
  ])("are the first 16 where all are %s, and the others say that they are not found", (_, state) => {
    const { tokens, found } = tokensOf(...Array<number>(18).fill(state));
    expect(sorted(found)).toEqual(upTo(16));
    expect(upTo(18).map((session) => tokens.shed(session))).toEqual([...Array<number>(16).fill(0), 1, 1]);
  });

  it("established ones take the place of others, and these say so", () => {
    const { tokens, found } = tokensOf(ESTABLISHED, ...Array<number>(15).fill(table.S_ORPHAN), ESTABLISHED);
    expect(found).toHaveLength(16);
    expect(found).toContain(0);
    expect(found).toContain(16);
    expect(upTo(17).reduce((sum, session) => sum + tokens.shed(session), 0)).toBe(1);
  });

  it("are found no more once they have ended", () => {
    const { tokens } = tokensOf(ESTABLISHED, ESTABLISHED);
    tokens.remove(0, 1);
    expect(tokens.streamsOf(TOKEN)).toEqual([3]);
  });
});
