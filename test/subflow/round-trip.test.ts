import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { run } from "../support/pipeline-run.ts";

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
  const { records } = run(packets, { bounds }, 1);
  return records
    .map((record) => sessionRecord.parse(record).mptcp.subflows[0])
    .map((one) => ({ port: one?.source.port, micros: one?.round_trip?.responder?.min_micros ?? null }))
    .sort((a, b) => Number(a.port) - Number(b.port));
}

describe("round-trip times under measurement", () => {
  it("are of both subflows while there is room", () => {
    expect(roundTrips(2)).toEqual([
      { port: 40_000, micros: 1000 },
      { port: 40_001, micros: 1000 },
    ]);
  });

  it("the oldest gives way at the bound", () => {
    expect(roundTrips(1)).toEqual([
      { port: 40_000, micros: null },
      { port: 40_001, micros: 1000 },
    ]);
  });
});
