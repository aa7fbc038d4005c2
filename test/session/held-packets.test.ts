import { describe, expect, it } from "vitest";
import { HeldPackets } from "../../src/session/held-packets.ts";
import { SubflowEvents } from "../../src/subflow/subflow-events.ts";
import { PacketVector } from "../../src/vector.ts";

const MIB = 1024 * 1024;

/** Packets of a mebioctet each, held for subflows of the caller's choice. */
function holder(most: number) {
  const vector = new PacketVector();
  vector.use(new Uint8Array(MIB));
  vector.payloadCaptured[0] = MIB;
  const events = new SubflowEvents();
  const held = new HeldPackets(most);
  const hold = (subflow: number, atMicros = 0): boolean => {
    events.subflow[0] = subflow;
    vector.atMicros[0] = atMicros;
    return held.hold(vector, events, 0);
  };
  return { held, hold };
}

describe("packets that are held", () => {
  it("are 8 MiB at most, and their room comes back when they are forgotten, taken or given up", () => {
    const { held, hold } = holder(100);
    const fill = (): boolean[] => Array.from({ length: 8 }, () => hold(1));
    const full = [...Array<boolean>(7).fill(true), false];
    expect(fill()).toEqual(full);
    held.forget(1);
    expect(fill()).toEqual(full);
    held.replay(1, () => {});
    expect(fill()).toEqual(full);
    held.giveUp(1, 11_000_000, () => {});
    expect(fill()).toEqual(full);
  });

  it("are so many at most, of all subflows, and their room comes back", () => {
    const { held, hold } = holder(2);
    expect([hold(1), hold(2), hold(3)]).toEqual([true, true, false]);
    expect(held.subflows).toEqual([1, 2]);
    held.forget(1);
    expect([hold(3), hold(4)]).toEqual([true, false]);
  });

  it("are given up after ten seconds, either way of time, one by one", () => {
    const { held, hold } = holder(10);
    hold(1, 0);
    hold(1, 10_000_000);
    hold(1, 30_000_000);
    const gone: number[] = [];
    expect([held.isOverdue(1, 10_000_000), held.isOverdue(1, 10_000_001)]).toEqual([true, true]);
    held.giveUp(1, 15_000_000, () => gone.push(held.vector.atMicros[0] ?? -1));
    expect(gone).toEqual([0, 30_000_000]);
    expect([held.count(1), held.isOverdue(1, 20_000_000), held.isOverdue(1, 20_000_001)]).toEqual([1, false, true]);
  });
});
