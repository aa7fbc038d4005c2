import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { HOT_WORDS, STATE, STATE_WATCHED } from "../../src/subflow/subflow-row.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

/** The round-trip times of the first subflow of the only session. */
const roundTripOf = (packets: readonly RunPacket[]) =>
  sessionRecord.parse(run(packets).records[0]).mptcp.subflows[0]?.round_trip;

/** A conversation whose initiator has sent four octets. */
const open = (): Conversation => new Conversation().open().send(0, "head");

describe("round-trip times", () => {
  it("of the handshake: from SYN to SYN/ACK, and from that to the third ACK", () => {
    const talk = new Conversation().open();
    for (const [n, micros] of [0, 30_000, 31_000].entries()) {
      const packet = talk.packets[n];
      if (packet !== undefined) talk.packets[n] = { ...packet, atMicros: 1_790_000_000_000_000 + micros };
    }
    expect(roundTripOf(talk.packets)).toEqual({
      initiator: { min_micros: 1000, smoothed_micros: 1000 },
      responder: { min_micros: 30_000, smoothed_micros: 30_000 },
    });
  });

  it("of the first data after it, smoothed by an eighth (RFC 6298)", () => {
    const talk = open().wait(0.008);
    talk.segment(talk.initial, 1, ACK, [option.dss({ ack: talk.dsn(0, 4) })]);
    // A millisecond from SYN to SYN/ACK; nine from the data to its acknowledgment.
    expect(roundTripOf(talk.packets)?.responder).toEqual({ min_micros: 1000, smoothed_micros: 2000 });
  });

  it("not of what was sent again, and not between packets of two agents", () => {
    const again = open().send(0, "head", { at: 0, ssn: 1 }).wait(0.008);
    again.segment(again.initial, 1, ACK, [option.dss({ ack: again.dsn(0, 4) })]);
    expect(roundTripOf(again.packets)?.responder?.smoothed_micros).toBe(1000);
    const two = new Conversation().open().packets.map((packet, n) => ({ ...packet, source: n % 2 }));
    expect(roundTripOf(two)).toEqual({ initiator: null, responder: null });
  });
});

/** Round-trip times of two subflows whose SYNs come before either is answered, by subflow. */
function roundTrips(most: number) {
  const talk = new Conversation().open(["syn"]);
  const other = new Conversation({
    keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)],
    ends: [
      { ip: "10.3.0.1", port: 40_001 },
      { ip: "10.4.0.2", port: 443 },
    ],
  });
  const packets = [...talk.packets.splice(0), ...other.open(["syn"]).packets.splice(0)];
  // The first one's answer begins a measurement of its own.
  for (const one of [other, talk]) packets.push(...one.open(["syn-ack", "ack"]).send(0, "x").packets);
  const bounds = { sessions: 16, subflows: 16, roundTrips: most };
  const { records, totals } = run(packets, { bounds }, 1);
  const found = records
    .map((record) => sessionRecord.parse(record).mptcp.subflows[0])
    .map((one) => ({ port: one?.source.port, micros: one?.round_trip?.responder?.min_micros ?? null }))
    .sort((a, b) => Number(a.port) - Number(b.port));
  return { found, shed: totals.shed };
}

describe("round-trip times under measurement", () => {
  it("are of both subflows while there is room", () => {
    const { found, shed } = roundTrips(2);
    expect(found).toEqual([
      { port: 40_000, micros: 1000 },
      { port: 40_001, micros: 1000 },
    ]);
    expect(shed).toEqual({});
  });

  it("give way to the newest at the bound, which is counted", () => {
    const { found, shed } = roundTrips(1);
    expect(found).toEqual([
      { port: 40_000, micros: null },
      { port: 40_001, micros: 1000 },
    ]);
    // The first SYN, for the second one; and the second one's data, for the answer to the first.
    expect(shed).toEqual({ "round-trips": 2 });
  });

  it("leave a subflow whose own gave way to its hot line again", () => {
    const keys = new FlowKeys(1);
    const subflows = new SubflowTable(2, 2, 1, keys);
    const both = [subflows.allocate(keys, 0, 0), subflows.allocate(keys, 0, 0)];
    for (const subflow of both) subflows.timeNext(subflow);
    const isWatched = (subflow: number) => ((subflows.hot[subflow * HOT_WORDS + STATE] ?? 0) & STATE_WATCHED) !== 0;
    expect(both.map(isWatched)).toEqual([false, true]);
  });
});
