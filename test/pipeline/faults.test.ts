import { describe, expect, it } from "vitest";
import { type OctetSink, Pipeline } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { CollectedStreams, keeping, type RunPacket, run } from "../support/pipeline-run.ts";

const other = {
  ends: [
    { ip: "10.1.0.9", port: 40_001 },
    { ip: "10.2.0.2", port: 443 },
  ],
  keys: [Buffer.from("0102030405060708", "hex"), Buffer.from("1112131415161718", "hex")],
} as const;

/** Two sessions whose packets alternate; octets of the first one that are `X` make the sink throw, as it must not. */
function alternating(first: readonly string[]): RunPacket[] {
  const one = new Conversation().open();
  for (const text of first) one.send(0, text);
  const two = new Conversation(other).open();
  for (const _ of first) two.send(0, "good");
  two.close();
  return two.packets.flatMap((packet, i) => [...one.packets.slice(i, i + 1), packet]);
}

class Fragile extends CollectedStreams implements OctetSink {
  override octets(...words: Parameters<OctetSink["octets"]>): void {
    const [, , , block, at] = words;
    if (block[at] === 0x58) throw new TypeError("X");
    super.octets(...words);
  }
}

describe("a fault of our own", () => {
  it.each([1, 7, 64])("costs the packets it came at, and no other, of vectors of %i", (batch) => {
    const faults: unknown[] = [];
    const packets = alternating(["abc", "Xyz", "def", "Xyz", "ghi"]);
    const { totals, records } = run(packets, { octets: new Fragile(), fault: (error) => faults.push(error) }, batch);
    expect(faults.map(String)).toEqual(["TypeError: X", "TypeError: X"]);
    expect(totals.packetsIn).toBe(packets.length);
    expect(totals.packets).toEqual({ "pipeline/fault": 2, "session/counted": packets.length - 2 });
    const whole = records.find(({ mptcp }) => mptcp.subflows[0]?.source.port === 40_001);
    expect(whole?.mptcp.stream.initiator).toMatchObject({ octets: 20, complete: true });
  });

  it("before the session stage costs what of the vector was under way, and nothing later", () => {
    const faults: unknown[] = [];
    const streams = new CollectedStreams();
    const pipeline = new Pipeline(keeping([], streams, { fault: (error) => faults.push(error) }));
    const source = pipeline.addSource("a");
    const vector = new PacketVector();
    const [syn] = new Conversation().open().packets;
    const octets = Uint8Array.from(syn?.octets ?? []);
    vector.use(octets);
    for (const at of [0, 1_000_000, 0]) vector.add(at, octets.length, octets.length, BEGIN, 101, source);
    pipeline.process(vector);
    expect(faults.map(String)).toEqual([expect.stringMatching(/^RangeError/)]);
    vector.clear();
    vector.add(0, octets.length, octets.length, BEGIN, 101, source);
    pipeline.process(vector);
    expect(pipeline.totals()).toMatchObject({ packetsIn: 4, packets: { "pipeline/fault": 3, "session/counted": 1 } });
  });

  it("is thrown where nobody is to be told", () => {
    expect(() => run(alternating(["Xyz"]), { octets: new Fragile() })).toThrow("X");
  });
});
