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
    keys.read(vector, i);
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
      keys.read(vector, 0);
      return keys.hash[0];
    });
    expect(new Set(hashes).size).toBe(3);
  });
});
