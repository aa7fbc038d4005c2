import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { PacketVector } from "../../src/vector.ts";
import { ACK, RST, SYN } from "../../src/wire/tcp.ts";
import { Conversation } from "../support/conversation.ts";
import { packetsOf } from "../support/pcap.ts";
import type { RunPacket } from "../support/pipeline-run.ts";
import { type PacketShape, vectorOf } from "./packets.ts";

const IDLE_MS = 60_000;
const LINGER_MS = 2000;
const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const BEGIN = 1_790_000_000 * SECOND;
const FLOWS = 40;

const packet = (port: number, atMicros: number, rest: Partial<PacketShape> = {}): PacketShape => ({
  family: 4,
  source: [10, 0, 0, 1],
  destination: [10, 0, 0, 2],
  sourcePort: port,
  destinationPort: 443,
  flags: ACK,
  seq: 1,
  option: false,
  atMicros,
  ...rest,
});

/** A table without flows. */
const empty = (maxFlows = 256): FlowSelection =>
  new FlowSelection({ maxFlows, idleMs: IDLE_MS, lingerMs: LINGER_MS, seed: 0x5eed });

/** Opens all flows with the option; what comes then has none. */
function open(table: FlowSelection, atMicros: number): FlowSelection {
  for (let port = 1; port <= FLOWS; port++) {
    table.select(vectorOf([packet(port, atMicros + port, { flags: SYN, option: true })]));
  }
  return table;
}

const opened = (maxFlows = 256): FlowSelection => open(empty(maxFlows), BEGIN);

/** Packets of a flow that is none of MPTCP: time passes, and the table is swept once over. */
function pass(table: FlowSelection, atMicros: number): void {
  for (let n = 0; n < 32; n++) table.select(vectorOf([packet(9999, atMicros + n)]));
}

/** How many of all flows have a packet selected, each in turn. */
function selected(table: FlowSelection, atMicros: number): number {
  let count = 0;
  for (let port = 1; port <= FLOWS; port++) count += table.select(vectorOf([packet(port, atMicros + port)]));
  return count;
}

describe("one packet that states a time far away", () => {
  it.each([HOUR, -HOUR, -20 * SECOND])("ends no flow, nor its own: %i microseconds", (far) => {
    const table = opened();
    expect(table.select(vectorOf([packet(1, BEGIN + SECOND + far)]))).toBe(1);
    expect(selected(table, BEGIN + 2 * SECOND)).toBe(FLOWS);
    pass(table, BEGIN + 3 * SECOND);
    expect(selected(table, BEGIN + 4 * SECOND)).toBe(FLOWS);
  });

  it.each([HOUR, 24 * HOUR])("and comes first ends none of those behind it: %i microseconds", (far) => {
    const table = empty();
    table.select(vectorOf([packet(5000, BEGIN + far, { flags: SYN, option: true })]));
    open(table, BEGIN);
    for (let second = 1; second < 200; second += 20) {
      pass(table, BEGIN + second * SECOND);
      expect(selected(table, BEGIN + (second + 1) * SECOND)).toBe(FLOWS);
    }
    expect(table.live).toBe(FLOWS);
  });

  it("opens a flow that lives no longer for it", () => {
    const table = opened();
    table.select(vectorOf([packet(5000, BEGIN + 24 * HOUR, { flags: SYN, option: true })]));
    for (let second = 1; second < 61; second += 10) expect(selected(table, BEGIN + second * SECOND)).toBe(FLOWS);
    pass(table, BEGIN + 70 * SECOND);
    expect(table.live).toBe(FLOWS);
  });
});

describe("a flow that states times an hour ahead", () => {
  const capture = packetsOf(fileURLToPath(new URL("../captures/strip-data/router1.pcap.gz", import.meta.url)), 0);
  const [first] = capture;

  it.each([1, 4])("leaves a recorded session whole: %i packets of it", (packets) => {
    const table = new FlowSelection({ maxFlows: 1024, idleMs: 600_000, lingerMs: LINGER_MS, seed: 1 });
    const decapsulation = new Decapsulation(new Agents([]), null);
    const vector = new PacketVector();
    const take = ({ octets, wire, atMicros, linkType = 101 }: RunPacket): number => {
      vector.use(Uint8Array.from(octets));
      vector.add(0, octets.length, wire, atMicros, linkType, 0);
      decapsulation.process(vector);
      return table.select(vector);
    };
    const talk = new Conversation({ atMicros: (first?.atMicros ?? 0) + HOUR }).open().send(0, "x");
    for (const packet of talk.packets.slice(0, packets)) take(packet);
    expect(capture.filter((packet) => take(packet) === 1)).toHaveLength(capture.length);
  });
});

describe.each([20 * SECOND, HOUR, 24 * HOUR])("a clock that is set back by %i microseconds", (step) => {
  const after = BEGIN + SECOND - step;

  it("ends no flow", () => {
    const table = opened();
    for (let second = 1; second < 200; second += 20) {
      expect(selected(table, after + second * SECOND)).toBe(FLOWS);
      pass(table, after + (second + 1) * SECOND);
    }
    expect([table.live, table.evicted, table.opened]).toEqual([FLOWS, 0, FLOWS]);
  });

  it("ends no flow that opens behind it", () => {
    const table = empty();
    pass(table, BEGIN);
    open(table, after);
    for (let second = 1; second < 200; second += 20) {
      pass(table, after + second * SECOND);
      expect(selected(table, after + (second + 1) * SECOND)).toBe(FLOWS);
    }
  });

  it("keeps no flow that has ended or says nothing more", () => {
    const table = opened();
    table.select(vectorOf([packet(1, BEGIN + SECOND, { flags: RST })]));
    pass(table, after);
    expect(table.live).toBe(FLOWS);
    pass(table, after + 59 * SECOND);
    expect(table.live).toBe(FLOWS - 1);
    pass(table, after + 121 * SECOND);
    expect(table.live).toBe(0);
  });

  it("makes no flow that goes on give way to those that do not", () => {
    const table = opened(FLOWS);
    pass(table, after);
    const goOn = (first: number, atMicros: number) =>
      Array.from({ length: 5 }, (_, n) => table.select(vectorOf([packet(first + n, atMicros + n)])));
    goOn(1, after + SECOND);
    for (let n = 0; n < 5; n++) {
      table.select(vectorOf([packet(6000 + n, after + (2 + n) * SECOND, { flags: SYN, option: true })]));
    }
    expect(table.evicted).toBe(5);
    expect([...goOn(1, after + 9 * SECOND), ...goOn(6000, after + 10 * SECOND)]).toEqual(Array(10).fill(1));
  });
});
