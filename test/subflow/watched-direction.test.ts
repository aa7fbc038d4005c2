import { describe, expect, it } from "vitest";
import { DSN_64 } from "../../src/subflow/subflow-events.ts";
import { WatchedDirection } from "../../src/subflow/watched-direction.ts";

describe("a hole behind all mappings of a watched direction", () => {
  it("is waited for until it lies 1 MiB back, though mappings whose octets were seen make room", () => {
    const direction = new WatchedDirection(0);
    const first = direction.place(0);
    let next = 100;
    /** Octets up to `end` come, the last ten under a mapping of their own. */
    const receive = (end: number): void => {
      direction.seen.add(first + next, first + end);
      direction.follow(end);
      direction.announce({
        ...{ start: first + end - 10, end: first + end, form: DSN_64, dsnHi: 0, dsnLo: end, ssn: end - 10 },
        ...{ dataLength: 10, checksum: -1, summed: 0, sum: 0, isCut: false },
      });
      next = end;
    };
    for (let n = 0; n < 20; n++) receive(next + 10);
    expect(direction.dropped).not.toBeNull();
    expect(direction.droppedUnfilled).toBe(false);
    expect(direction.seen.covers(first, first + 1)).toBe(false);
    receive(99 + 2 ** 20);
    expect(direction.seen.isWhole).toBe(false);
    receive(100 + 2 ** 20);
    expect(direction.seen.isWhole).toBe(true);
  });
});

describe("a mapping that is stated again", () => {
  const stated = { start: 10, end: 20, form: DSN_64, dsnHi: 0, dsnLo: 5, ssn: 10, dataLength: 10 };
  const mapping = (checksum: number, more = {}) => ({ ...stated, checksum, summed: 0, sum: 0, isCut: false, ...more });
  const again = (first: number, second: number, more = {}): string => {
    const direction = new WatchedDirection(0);
    expect(direction.announce(mapping(first))).toBe("new");
    return direction.announce(mapping(second, more));
  };

  it("is known, also where its checksum was judged and forgotten", () => {
    expect([again(-1, -1), again(7, 7), again(-1, 7), again(7, -1)]).toEqual(Array(4).fill("known"));
  });

  it("contradicts with another checksum or another place", () => {
    expect([again(7, 8), again(7, 7, { dsnLo: 6 }), again(-1, -1, { dsnLo: 6 })]).toEqual(Array(3).fill("contradicts"));
  });
});
