import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlowKeys, KEY_WORDS } from "../../src/subflow/flow-key.ts";
import { type PacketShape, vectorOf } from "../encapsulate/packets.ts";

const port = fc.nat(0xffff);
const ends = fc.oneof(
  ...([4, 6] as const).map((family) => {
    const octets = fc.array(fc.constantFrom(0, 1, 255), {
      minLength: family === 4 ? 4 : 16,
      maxLength: family === 4 ? 4 : 16,
    });
    return fc.record({
      family: fc.constant(family),
      source: octets,
      destination: octets,
      sourcePort: port,
      destinationPort: port,
    });
  }),
);

const shape = (
  flow: Pick<PacketShape, "family" | "source" | "destination" | "sourcePort" | "destinationPort">,
): PacketShape => ({
  ...flow,
  ...{ flags: 0x10, seq: 1, option: false, atMicros: 0 },
});

function keysOf(...shapes: PacketShape[]): { words: number[]; hash: number; fromHigher: number }[] {
  const vector = vectorOf(shapes);
  const keys = new FlowKeys(0x5eed);
  return shapes.map((_, i) => {
    keys.read(vector, i, i + 1);
    return {
      words: [...keys.words.subarray(i * KEY_WORDS, (i + 1) * KEY_WORDS)],
      hash: keys.hash[i] ?? -1,
      fromHigher: keys.fromHigher[i] ?? -1,
    };
  });
}

describe("flow key", () => {
  it("both directions have one key and hash, and opposite senders", () => {
    fc.assert(
      fc.property(ends, (flow) => {
        const back = { ...flow, source: flow.destination, destination: flow.source };
        const [there, here] = keysOf(
          shape(flow),
          shape({ ...back, sourcePort: flow.destinationPort, destinationPort: flow.sourcePort }),
        );
        expect(here?.words).toEqual(there?.words);
        expect(here?.hash).toBe(there?.hash);
        const sameEnds = `${flow.source}` === `${flow.destination}` && flow.sourcePort === flow.destinationPort;
        expect([there?.fromHigher, here?.fromHigher].sort()).toEqual(sameEnds ? [0, 0] : [0, 1]);
      }),
    );
  });

  it("the hash of a packet is that of its key, by which a subflow leaves the index", () => {
    fc.assert(
      fc.property(ends, (flow) => {
        const vector = vectorOf([shape(flow)]);
        const keys = new FlowKeys(0x5eed);
        keys.read(vector, 0, 1);
        expect(keys.hash[0]).toBe(keys.hashOf(keys.words, 0, flow.family === 4));
      }),
    );
  });

  it("other flows have other keys", () => {
    fc.assert(
      fc.property(ends, ends, (a, b) => {
        const text = (flow: typeof a) =>
          [`${flow.source}:${flow.sourcePort}`, `${flow.destination}:${flow.destinationPort}`].sort().join();
        const [one, two] = keysOf(shape(a), shape(b));
        expect(`${one?.words}` === `${two?.words}`).toBe(text(a) === text(b) && a.family === b.family);
      }),
    );
  });

  type Family = [name: string, flow: (n: number) => Partial<PacketShape>];
  const octetsOf = (word: number): number[] => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255];
  const ipv6 = (...words: number[]): number[] => words.flatMap(octetsOf);
  const far = [250, 1, 2, 3];
  it.each<Family>([
    ["ports ^ address constant", (n) => ({ source: octetsOf(0x0a000000 ^ n), destinationPort: 443 ^ n })],
    [
      "top bits of ports against those of the address, and what a multiplication makes of them",
      (n) => ({ sourcePort: (n & 63) << 10, source: octetsOf((n >>> 6) * 0x04000400) }),
    ],
    ["sequential ports", (n) => ({ sourcePort: 1_024 + n })],
    ["sequential addresses", (n) => ({ source: octetsOf(0x0a000000 + n) })],
    ["both addresses in step", (n) => ({ source: octetsOf(n), destination: octetsOf(0xf0000000 ^ n) })],
    [
      "IPv6: two words whose exclusive or is constant",
      (n) => ({ family: 6, source: ipv6(1, n, n ^ 0x5555, 0), destination: ipv6(0xff000000, 0, 0, 1) }),
    ],
    [
      "IPv6: words in other places",
      (n) => ({
        family: 6,
        source: ipv6(...[0, 0, 0, 0].map((_, at) => (at === n % 4 ? n >>> 2 : 0))),
        destination: ipv6(0xff000000, 0, 0, 1),
      }),
    ],
  ])("chosen keys spread as random ones do: %s", (_, flow) => {
    const plain = { family: 4, source: [10, 0, 0, 1], destination: far, sourcePort: 1, destinationPort: 2 } as const;
    const flows = Array.from({ length: 4_096 }, (_, n) => shape({ ...plain, ...flow(n) }));
    const distinct = new Set(
      flows.map(({ source, sourcePort, destinationPort }) => `${source}:${sourcePort}:${destinationPort}`),
    );
    const keys = new FlowKeys(0x5eed);
    const inBucket = new Map<number, number>();
    const hashes = new Set<number>();
    for (let from = 0; from < flows.length; from += 64) {
      const vector = vectorOf(flows.slice(from, from + 64));
      for (let i = 0; i < 64; i++) {
        keys.read(vector, i, i + 1);
        const hash = keys.hash[i] ?? 0;
        hashes.add(hash);
        inBucket.set(hash & 8_191, (inBucket.get(hash & 8_191) ?? 0) + 1);
      }
    }
    // Of 4,096 random 32-bit numbers two are equal once in 500 tries.
    expect(hashes.size).toBeGreaterThan(distinct.size - 3);
    if (distinct.size === flows.length) expect(Math.max(...inBucket.values())).toBeLessThan(12);
  });

  it("another seed gives other hashes", () => {
    const flow = {
      family: 4,
      source: [10, 0, 0, 1],
      destination: [10, 0, 0, 2],
      sourcePort: 1,
      destinationPort: 2,
    } as const;
    const vector = vectorOf([shape(flow)]);
    const hashes = [1, 2, 3].map((seed) => {
      const keys = new FlowKeys(seed);
      keys.read(vector, 0, 1);
      return keys.hash[0];
    });
    expect(new Set(hashes).size).toBe(3);
  });
});
