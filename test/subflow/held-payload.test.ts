import { describe, expect, it } from "vitest";
import { HeldPayload, type HeldPiece } from "../../src/subflow/held-payload.ts";
import { WatchedDirection } from "../../src/subflow/watched-direction.ts";

/** What is held, what was given up, and how often a piece was looked at. */
function holder() {
  const gone: number[] = [];
  const held = new HeldPayload(({ start }) => gone.push(start));
  let looks = 0;
  const hold = (direction: WatchedDirection, start: number, length = 10, atMicros = start): void => {
    const end = start + length;
    const piece: HeldPiece = {
      ...{ subflow: 0, higher: 0, end, block: new Uint8Array(length), atMicros, agent: 0, vector: 0, packet: 0 },
      get start() {
        looks++;
        return start;
      },
      get direction() {
        looks++;
        return direction;
      },
    };
    held.hold(piece);
  };
  const looksDuring = (act: () => void): number => {
    looks = 0;
    act();
    return looks;
  };
  return { held, gone, hold, looksDuring };
}
const starts = (pieces: readonly HeldPiece[]): number[] => pieces.map(({ start }) => start);

describe("payload that no mapping covers yet", () => {
  it("goes to the mapping that covers it, in the order it came; the rest stays", () => {
    const { held, hold } = holder();
    const [one, other] = [new WatchedDirection(1), new WatchedDirection(1)];
    for (const start of [40, 10, 20, 30]) hold(one, start);
    hold(other, 20);
    expect(starts(held.takeOf(one, 15, 30))).toEqual([10, 20]);
    expect(starts(held.takeOf(one, 0, 100))).toEqual([40, 30]);
    expect(one.heldOctets).toBe(0);
    expect(other.heldOctets).toBe(10);
  });

  it("costs a mapping no more because other directions hold much", () => {
    const costs = [10, 3000].map((others) => {
      const { held, hold, looksDuring } = holder();
      const own = new WatchedDirection(1);
      hold(own, 0);
      for (let n = 0; n < others; n++) hold(new WatchedDirection(1), n * 10);
      return looksDuring(() => void held.takeOf(own, 0, 100));
    });
    expect(costs[1]).toBe(costs[0]);
  });

  it("costs a mapping no more than 256 pieces of its direction do, however small they are", () => {
    const { held, gone, hold, looksDuring } = holder();
    const own = new WatchedDirection(1);
    for (let n = 0; n < 4000; n++) hold(own, n, 1);
    expect(gone.length).toBe(4000 - 256);
    expect([gone[0], gone.at(-1), own.heldOctets]).toEqual([0, 3743, 256]);
    expect(looksDuring(() => void held.takeOf(own, 10_000, 10_001))).toBe(256);
  });

  it("of which there is too much goes, the oldest first: of a direction, and of all", () => {
    const { gone, hold } = holder();
    const one = new WatchedDirection(1);
    for (let n = 0; n < 3; n++) hold(one, n * 65_536, 65_536);
    expect(gone).toEqual([0]);
    for (let n = 0; n < 4096; n++) hold(new WatchedDirection(1), 1_000_000 + n);
    expect(gone).toEqual([0, 65_536, 2 * 65_536]);
  });

  it("goes when it has waited for ten seconds", () => {
    const { held, gone, hold } = holder();
    const one = new WatchedDirection(1);
    hold(one, 5, 1, 0);
    hold(one, 6, 1, 1_000_000);
    held.expire(10_000_000);
    expect(gone).toEqual([]);
    held.expire(10_000_001);
    expect(gone).toEqual([5]);
    expect(one.heldOctets).toBe(1);
  });
});
