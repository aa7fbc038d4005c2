import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SESSION_WORDS } from "../../src/session/session-table.ts";
import { PENDING, SubflowLists, UNPROVEN } from "../../src/session/subflow-lists.ts";
import { COLD_WORDS } from "../../src/subflow/subflow-row.ts";

const SUBFLOWS = 12;
const SESSIONS = 2;

const emptyLists = (): SubflowLists =>
  new SubflowLists(new Uint32Array(SESSIONS * SESSION_WORDS), new Uint32Array(SUBFLOWS * COLD_WORDS));

const operations = fc.array(
  fc.record({
    what: fc.constantFrom("append", "append", "remove", "lose", "find", "forget"),
    session: fc.nat(SESSIONS - 1),
    subflow: fc.nat(SUBFLOWS - 1),
    sought: fc.constantFrom(PENDING, UNPROVEN),
  }),
  { maxLength: 80 },
);

describe("the subflows of sessions", () => {
  it("are plain lists in the order they were attached, operation by operation", () => {
    fc.assert(
      fc.property(operations, (all) => {
        const lists = emptyLists();
        const model: number[][] = Array.from({ length: SESSIONS }, () => []);
        /** Of each thing that is sought, the subflows that are one. */
        const are = [new Set<number>(), new Set<number>()] as const;
        for (const { what, session, subflow, sought } of all) {
          const home = model.findIndex((list) => list.includes(subflow));
          const list = model[session] ?? [];
          if (what === "append" && home < 0) {
            lists.append(session, subflow);
            list.push(subflow);
            for (const one of are) one.add(subflow);
          }
          if (what === "remove" && home >= 0) {
            lists.remove(home, subflow);
            model[home]?.splice(model[home].indexOf(subflow), 1);
          }
          if (what === "lose") are[sought].delete(subflow);
          if (what === "find") {
            const found = lists.firstThat(session, sought, (one) => are[sought].has(one));
            expect(found).toBe(list.find((one) => are[sought].has(one)) ?? -1);
          }
          if (what === "forget") {
            lists.forget(session);
            list.length = 0;
          }
          for (const [n, expected] of model.entries()) {
            expect(lists.of(n)).toEqual(expected);
            expect(lists.firstOf(n)).toBe(expected[0] ?? -1);
            for (const [i, one] of expected.entries()) expect(lists.nextOf(one)).toBe(expected[i + 1] ?? -1);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("each of which is not what is sought is asked once, however often it is sought and the found one goes", () => {
    const lists = emptyLists();
    for (let subflow = 0; subflow < SUBFLOWS - 1; subflow++) lists.append(0, subflow);
    const asked: number[] = [];
    const isLast = (subflow: number): boolean => asked.push(subflow) > 0 && subflow === SUBFLOWS - 1;
    expect(lists.firstThat(0, PENDING, isLast)).toBe(-1);
    for (let n = 0; n < 5; n++) {
      lists.append(0, SUBFLOWS - 1);
      expect(lists.firstThat(0, PENDING, isLast)).toBe(SUBFLOWS - 1);
      lists.remove(0, SUBFLOWS - 1);
      expect(lists.firstThat(0, PENDING, isLast)).toBe(-1);
    }
    expect(asked).toEqual([...Array(SUBFLOWS - 1).keys(), ...Array<number>(5).fill(SUBFLOWS - 1)]);
  });

  it("of a session that has the number of one that ended are looked through from the first on", () => {
    const lists = emptyLists();
    for (const subflow of [0, 1]) lists.append(0, subflow);
    expect(lists.firstThat(0, UNPROVEN, (subflow) => subflow === 1)).toBe(1);
    lists.forget(0);
    for (const subflow of [2, 3]) lists.append(0, subflow);
    expect(lists.firstThat(0, UNPROVEN, () => true)).toBe(2);
  });
});
