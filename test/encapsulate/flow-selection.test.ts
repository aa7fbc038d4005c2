import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { fateOf } from "../../src/fate.ts";
import { ACK, FIN, RST, SYN } from "../../src/wire/tcp.ts";
import { type PacketShape, vectorOf } from "./packets.ts";

const IDLE_MS = 60_000;
const LINGER_MS = 2000;

function selection(maxFlows = 256): FlowSelection {
  return new FlowSelection({ maxFlows, idleMs: IDLE_MS, lingerMs: LINGER_MS, seed: 0x5eed });
}

const base: PacketShape = {
  family: 4,
  source: [10, 0, 0, 1],
  destination: [10, 0, 0, 2],
  sourcePort: 40_000,
  destinationPort: 443,
  flags: ACK,
  seq: 1,
  option: false,
  atMicros: 1_000_000,
};

function reversed(shape: PacketShape): PacketShape {
  return {
    ...shape,
    source: shape.destination,
    destination: shape.source,
    sourcePort: shape.destinationPort,
    destinationPort: shape.sourcePort,
  };
}

/** Runs packets through one selection, one vector each, and gives the indexes of those selected. */
function chosen(table: FlowSelection, shapes: readonly PacketShape[]): number[] {
  return shapes.flatMap((shape, i) => (table.select(vectorOf([shape])) === 1 ? [i] : []));
}

describe("a flow is selected", () => {
  it("from the first packet with the option, both directions, and nothing before it", () => {
    const syn = { ...base, flags: SYN, option: true };
    expect(chosen(selection(), [base, syn, reversed(base), base, { ...base, sourcePort: 40_001 }])).toEqual([1, 2, 3]);
  });

  it("mid-flow, when an option is seen on a segment with data", () => {
    expect(chosen(selection(), [reversed(base), { ...base, option: true }, reversed(base)])).toEqual([1, 2]);
  });

  it("apart from an IPv6 flow whose address begins with the same octets", () => {
    const ipv6: PacketShape = {
      ...base,
      family: 6,
      source: [...base.source, ...Array<number>(12).fill(0)],
      destination: [...base.destination, ...Array<number>(12).fill(0)],
    };
    expect(chosen(selection(), [{ ...base, option: true }, ipv6, { ...ipv6, option: true }, reversed(ipv6)])).toEqual([
      0, 2, 3,
    ]);
  });

  it("never for a packet that decapsulation has given a fate", () => {
    const vector = vectorOf([{ ...base, option: true }]);
    vector.fate[0] = fateOf("decapsulate/not-tcp");
    expect(selection().select(vector)).toBe(0);
  });
});

describe("a selected flow ends", () => {
  const open = { ...base, flags: SYN, option: true };
  const at = (seconds: number, shape: PacketShape): PacketShape => ({ ...shape, atMicros: 1_000_000 + seconds * 1e6 });

  it("two seconds after the last packet once both ends have sent FIN", () => {
    const fin = { ...base, flags: FIN | ACK };
    const packets = [
      open,
      at(1, fin),
      at(11, base),
      at(12, reversed(fin)),
      at(13.9, base),
      at(15.8, base),
      at(18, base),
    ];
    expect(chosen(selection(), packets)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("two seconds after a RST of either end", () => {
    const packets = [open, at(1, reversed({ ...base, flags: RST })), at(2, base), at(4.1, base)];
    expect(chosen(selection(), packets)).toEqual([0, 1, 2]);
  });

  it("when it was idle for longer than the bound", () => {
    expect(chosen(selection(), [open, at(59, base), at(118, base), at(179, base)])).toEqual([0, 1, 2]);
  });

  it("when a SYN without the option opens another connection on its ports", () => {
    const reuse = { ...base, flags: SYN, seq: 99 };
    expect(chosen(selection(), [open, base, reuse, base])).toEqual([0, 1]);
  });

  it("not when the same SYN is repeated without the option, as Linux does at the third loss", () => {
    expect(chosen(selection(), [open, { ...open, option: false }, base])).toEqual([0, 1, 2]);
  });

  it("not when a SYN with the option reuses its ports while it lingers", () => {
    const packets = [open, at(1, { ...base, flags: RST }), at(2, { ...open, seq: 7 }), at(30, base)];
    expect(chosen(selection(), packets)).toEqual([0, 1, 2, 3]);
  });
});

describe("the table's bound", () => {
  const flow = (n: number, micros: number): PacketShape => ({ ...base, sourcePort: n, option: true, atMicros: micros });

  it("evicts an idle flow, counts it, and takes it again at its next option", () => {
    const table = selection(64);
    for (let n = 1; n <= 64; n++) table.select(vectorOf([flow(n, 1e6 + n)]));
    expect([table.live, table.evicted]).toEqual([64, 0]);
    table.select(vectorOf([flow(65, 2e6)]));
    expect([table.live, table.evicted]).toEqual([64, 1]);
    const left = Array.from({ length: 64 }, (_, k) => k + 1).filter(
      (n) => table.select(vectorOf([{ ...flow(n, 2e6), option: false }])) === 0,
    );
    expect(left).toHaveLength(1);
    expect(table.select(vectorOf([flow(left[0] ?? 0, 2e6)]))).toBe(1);
    expect([table.live, table.evicted, table.opened]).toEqual([64, 2, 66]);
  });

  it("is not met by flows that have ended: they are swept out as packets pass", () => {
    const table = selection(64);
    for (let n = 1; n <= 64; n++) table.select(vectorOf([flow(n, 1e6)]));
    for (let k = 0; k < 8; k++) table.select(vectorOf([flow(1000, 1e6 + (IDLE_MS + 1) * 1000)]));
    expect([table.live, table.evicted]).toEqual([1, 0]);
  });
});

/** The rules said plainly: a Map by text, one packet at a time. */
class Model {
  private readonly flows = new Map<string, { isn: number | null; fins: Set<string>; closing: boolean; last: number }>();

  select(p: PacketShape): boolean {
    const ends = [`${p.source.join(".")}:${p.sourcePort}`, `${p.destination.join(".")}:${p.destinationPort}`];
    const key = `${p.family} ${ends.toSorted().join(" ")}`;
    const syn = (p.flags & SYN) !== 0 && (p.flags & ACK) === 0;
    let flow = this.flows.get(key);
    if (flow && p.atMicros - flow.last > (flow.closing ? LINGER_MS : IDLE_MS) * 1000) flow = undefined;
    if (flow && syn && flow.isn !== p.seq) flow = undefined;
    if (!flow) {
      this.flows.delete(key);
      if (!p.option) return false;
      flow = { isn: null, fins: new Set(), closing: false, last: 0 };
      this.flows.set(key, flow);
    }
    if (syn) flow.isn = p.seq;
    if (p.flags & FIN) flow.fins.add(ends[0] ?? "");
    if (p.flags & RST || flow.fins.size === 2) flow.closing = true;
    flow.last = Math.max(flow.last, p.atMicros);
    return true;
  }
}

it("selects what a plain model selects, packet for packet, over random traffic", () => {
  // Few ends, so that packets meet in the same flows.
  const address = fc.constantFrom([10, 0, 0, 1], [10, 0, 0, 2]);
  const address6 = fc.constantFrom(
    [10, 0, 0, 1, ...Array<number>(12).fill(0)],
    [0x20, 1, ...Array<number>(13).fill(0), 2],
  );
  const rest = {
    sourcePort: fc.constantFrom(1, 65_535),
    destinationPort: fc.constant(1),
    flags: fc.constantFrom(SYN, SYN | ACK, ACK, ACK, ACK, FIN | ACK, RST, FIN),
    seq: fc.constantFrom(1, 2),
    option: fc.boolean(),
  };
  const packet = fc.oneof(
    fc.record({ family: fc.constant(4 as const), source: address, destination: address, ...rest }),
    fc.record({ family: fc.constant(6 as const), source: address6, destination: address6, ...rest }),
  );
  const step = fc.record({ packet, gapMs: fc.constantFrom(0, 0, 1, 1, 300, 300, 1100, 2001, 61_000) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 64 }), (steps, size) => {
      let micros = 1e9;
      const shapes = steps.map(({ packet, gapMs }) => {
        micros += gapMs * 1000;
        return { ...packet, atMicros: micros };
      });
      const table = selection();
      const model = new Model();
      for (let from = 0; from < shapes.length; from += size) {
        const part = shapes.slice(from, from + size);
        table.select(vectorOf(part));
        expect(Array.from(table.selected.subarray(0, part.length))).toEqual(part.map((p) => (model.select(p) ? 1 : 0)));
      }
      return true;
    }),
    { numRuns: 300 },
  );
});

it("keeps every flow findable while others come and go in a crowded table", () => {
  const table = selection(2048);
  const alive = new Set<number>();
  let random = 1;
  for (let step = 0; step < 40_000; step++) {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    const port = 1 + ((random >>> 8) % 2000);
    const opened = { ...base, sourcePort: port, option: true, flags: SYN, seq: step };
    const shape = alive.has(port) ? { ...opened, option: false } : opened;
    expect(table.select(vectorOf([shape]))).toBe(alive.has(port) ? 0 : 1);
    if (!alive.delete(port)) alive.add(port);
  }
  expect(table.live).toBe(alive.size);
  for (const port of alive) expect(table.select(vectorOf([{ ...base, sourcePort: port }]))).toBe(1);
});
