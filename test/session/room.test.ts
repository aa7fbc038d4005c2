import fc from "fast-check";
import { expect, it } from "vitest";
import { Endings } from "../../src/session/ending.ts";
import { IS_CLOSED, IS_INITIAL, IS_JOINED, IS_PROVEN } from "../../src/session/join-state.ts";
import { Room } from "../../src/session/room.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { HOT_WORDS, STATE, STATE_SYN_ACK } from "../../src/subflow/subflow-row.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";

const BOUNDS = { sessions: 2, rememberedOctets: 1024, streamWindows: 2, thirdAcks: 2, rareEntries: 2 };
const SUBFLOWS = 16;

const operations = fc.array(
  fc.record({
    what: fc.constantFrom("attach", "attach", "answer", "prove", "close", "detach", "room"),
    which: fc.nat(),
  }),
  { minLength: 20, maxLength: 120 },
);

const sessionsOf = (keys: FlowKeys): Sessions =>
  new Sessions(BOUNDS, new SubflowTable(SUBFLOWS, 2, 2, keys), 1, {
    pieces: null,
    chunk: null,
    turns: false,
    digest: false,
  });

/** Room in sessions, and which subflows have given way so far. */
function roomIn(sessions: Sessions): { readonly room: Room; readonly gone: number[] } {
  const gone: number[] = [];
  const room = new Room(sessions, new Endings(sessions, () => {}), 100, (subflow) => gone.push(subflow));
  return { room, gone };
}

it.each([["open"], ["closed"]])(
  "a join takes the place of the first that was not answered, else is not proven, else is closed, of a session whose initial subflow is %s",
  (initial) => {
    const taken = new Set<string>();
    fc.assert(
      fc.property(operations, (all) => {
        const keys = new FlowKeys(1);
        const sessions = sessionsOf(keys);
        const { room, gone } = roomIn(sessions);
        const { hot } = sessions.subflows;
        const session = sessions.table.allocate(0);
        const attach = (bits: number): void => {
          const subflow = sessions.subflows.allocate(keys, 0, 0);
          if (subflow < 0) return;
          sessions.setJoin(subflow, bits);
          sessions.attach(session, subflow);
        };
        attach(IS_INITIAL);
        if (initial === "closed") sessions.closeSubflow(0);
        for (const { what, which } of all) {
          const joins = sessions.subflowsOf(session).slice(1);
          const subflow = joins[which % joins.length];
          if (what === "attach") attach(IS_JOINED);
          if (what === "room") {
            const isAnswered = (one: number): boolean => ((hot[one * HOT_WORDS + STATE] ?? 0) & STATE_SYN_ACK) !== 0;
            const unproven = joins.filter((one) => (sessions.join(one) & IS_PROVEN) === 0);
            const pending = unproven.find((one) => !isAnswered(one));
            const victim = pending ?? unproven[0] ?? joins.find((one) => sessions.join(one) & IS_CLOSED);
            taken.add(
              victim === undefined
                ? "none"
                : victim === pending
                  ? "pending"
                  : unproven.length > 0
                    ? "unproven"
                    : "closed",
            );
            gone.length = 0;
            expect(room.forJoin(session)).toBe(victim !== undefined);
            expect(gone).toEqual(victim === undefined ? [] : [victim]);
            expect(sessions.subflowsOf(session)).toEqual([0, ...joins.filter((one) => one !== victim)]);
          }
          if (subflow === undefined) continue;
          if (what === "answer") hot[subflow * HOT_WORDS + STATE] = STATE_SYN_ACK;
          if (what === "prove") sessions.setJoin(subflow, IS_PROVEN);
          if (what === "close") sessions.closeSubflow(subflow);
          if (what === "detach") {
            sessions.detach(session, subflow);
            sessions.releaseSubflow(subflow);
          }
        }
      }),
      { numRuns: 300 },
    );
    expect([...taken].toSorted()).toEqual(["closed", "none", "pending", "unproven"]);
  },
);

it("a session that has the number of one that ended looks among its own subflows only", () => {
  const keys = new FlowKeys(1);
  const sessions = sessionsOf(keys);
  const { room, gone } = roomIn(sessions);
  const joined = (session: number): number => {
    const subflow = sessions.subflows.allocate(keys, 0, 0);
    sessions.setJoin(subflow, IS_JOINED);
    sessions.attach(session, subflow);
    return subflow;
  };
  const ended = sessions.table.allocate(0);
  for (let n = 0; n < 3; n++) joined(ended);
  expect(room.forJoin(ended)).toBe(true);
  sessions.release(ended);
  const other = sessions.table.allocate(0);
  const session = sessions.table.allocate(0);
  for (const one of [other, session]) for (let n = 0; n < 3; n++) joined(one);
  gone.length = 0;
  const own = [session, other].map((one) => sessions.firstOf(one));
  for (const one of [session, other]) room.forJoin(one);
  expect(gone).toEqual(own);
});
