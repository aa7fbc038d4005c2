import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WindowLists } from "../../src/reassembly/window-lists.ts";

const STREAMS = 3;
const WINDOWS = 2048;

/** Lists that count each look at the number of a window: what a longer list could make more of. */
class Watched {
  readonly lists: WindowLists;
  looks = 0;
  private used = 0;

  constructor(windows: number) {
    const get = (numbers: Float64Array, key: string | symbol): unknown => {
      this.looks++;
      return Reflect.get(numbers, key);
    };
    const set = (numbers: Float64Array, key: string | symbol, value: unknown): boolean =>
      Reflect.set(numbers, key, value);
    const numbers = new Float64Array(windows);
    this.lists = new WindowLists(STREAMS, new Proxy(numbers, { get, set }));
    // What the lists ask of an array once, in their making, is no search.
    this.looks = 0;
  }

  /** The window of this number, made where there is none. */
  windowOf(stream: number, number: number): number {
    const found = this.lists.find(stream, number);
    if (found >= 0) return found;
    this.lists.insert(stream, number, this.used);
    return this.used++;
  }
}

/** Looks per search where the windows of these numbers are wanted one after the other. */
function looksFor(numbers: readonly number[]): number {
  const watched = new Watched(WINDOWS);
  for (const number of numbers) watched.windowOf(0, number);
  return watched.looks / numbers.length;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
/** Each number below WINDOWS once, in an order that looks like none. */
const scattered = upTo(WINDOWS).map((n) => (n * 1_229 + 17) % WINDOWS);

describe("windows of streams in the order of their numbers", () => {
  it("are found, come and go as in a plain model", () => {
    const step = fc.record({ stream: fc.nat(STREAMS - 1), number: fc.nat(40), remove: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const watched = new Watched(steps.length);
        const { lists } = watched;
        const model = upTo(STREAMS).map(() => new Map<number, number>());
        for (const { stream, number, remove } of steps) {
          const known = model[stream] ?? new Map<number, number>();
          const lowest = (): number => Math.min(...known.keys());
          if (remove === 0 && known.size > 0) {
            lists.removeFirst(stream);
            known.delete(lowest());
          } else {
            expect(lists.find(stream, number)).toBe(known.get(number) ?? -1);
            const window = watched.windowOf(stream, number);
            lists.recent[stream] = window + 1;
            known.set(number, window);
          }
          expect([...known.values(), -1]).toContain((lists.recent[stream] ?? 0) - 1);
          expect(lists.first(stream)).toBe(known.get(lowest()) ?? -1);
          expect([...known.keys()].map((other) => lists.find(stream, other))).toEqual([...known.values()]);
        }
      }),
    );
  });

  it.each<[order: string, numbers: readonly number[]]>([
    ["in order", upTo(WINDOWS)],
    ["from the end to the beginning", upTo(WINDOWS).reverse()],
    ["in no order", scattered],
    ["from the end to the beginning, then in no order", [...upTo(WINDOWS).reverse(), ...scattered]],
    ["at two places in turn", [...upTo(WINDOWS), ...upTo(WINDOWS).map((n) => (n % 2) * (WINDOWS - 1))]],
    ["in order, then in no order", [...upTo(WINDOWS), ...scattered]],
  ])("take few looks, however long the list is: %s", (_, numbers) => {
    expect(looksFor(numbers)).toBeLessThan(40);
  });

  it("take few looks behind windows that went, too", () => {
    const watched = new Watched(WINDOWS);
    for (const number of scattered) watched.windowOf(0, number);
    for (let n = 0; n < WINDOWS - 300; n++) watched.lists.removeFirst(0);
    watched.looks = 0;
    for (let n = WINDOWS - 300; n < WINDOWS; n++) watched.windowOf(0, n);
    expect(watched.looks / 300).toBeLessThan(40);
  });
});
