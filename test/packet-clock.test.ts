import { describe, expect, it } from "vitest";
import { PacketClock } from "../src/packet-clock.ts";
import { Conversation } from "./support/conversation.ts";
import { ACK, option } from "./support/packets.ts";
import { type RunPacket, run } from "./support/pipeline-run.ts";

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;

describe("packet time", () => {
  it("goes forth with the packets, and stays where one is late", () => {
    const clock = new PacketClock();
    const times = [5 * HOUR, 5.5 * HOUR, 5.5 * HOUR - 9 * SECOND, 5.5 * HOUR - 9 * SECOND + 1, 6.1 * HOUR];
    expect(times.map((micros) => clock.read(micros))).toEqual([
      5 * HOUR,
      5.5 * HOUR,
      5.5 * HOUR,
      5.5 * HOUR,
      6.1 * HOUR,
    ]);
  });

  it.each([20 * SECOND, HOUR / 2, 24 * HOUR])(
    "is set back by %i for two that follow each other, and tells it",
    (step) => {
      const clock = new PacketClock();
      const before = 50 * HOUR;
      const after = before - step;
      expect([before, after, before + 1, after + 1].map((micros) => clock.read(micros))).toEqual([
        before,
        before,
        before + 1,
        before + 1,
      ]);
      expect(clock.since(before)).toBe(before);
      expect(clock.read(after + 2)).toBe(after + 2);
      expect(clock.read(after + 5 * SECOND)).toBe(after + 5 * SECOND);
      expect([clock.since(after + 3), clock.since(before)]).toEqual([after + 3, after + 2]);
    },
  );

  it.each([29, 1])("does not leap to hour %i for one packet, and does for two", (hour) => {
    const clock = new PacketClock();
    clock.read(5 * HOUR);
    expect(clock.read(hour * HOUR)).toBe(5 * HOUR);
    expect(clock.read(5 * HOUR + 1)).toBe(5 * HOUR + 1);
    clock.read((hour + 10) * HOUR);
    expect(clock.read((hour + 10) * HOUR + 7)).toBe((hour + 10) * HOUR + 7);
  });
});

describe("one packet a day ahead, of somebody else,", () => {
  const ends = [
    { ip: "10.7.0.1", port: 1 },
    { ip: "10.7.0.2", port: 2 },
  ] as const;
  const leap = (atMicros: number): RunPacket[] =>
    new Conversation({ atMicros: atMicros + 24 * HOUR, ends }).open(["syn"]).packets.slice(0, 1);
  const streamOf = (packets: readonly RunPacket[]) => {
    const own = run(packets, { partial: false }, 1).records.filter(({ source }) => source.ip !== ends[0].ip);
    expect(own).toHaveLength(1);
    return own[0]?.mptcp;
  };

  it("takes no packet from a join that waits for its handshake", () => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    const join = talk.join();
    talk.send(0, "Z".repeat(700), { on: join });
    const early = talk.packets.splice(0);
    talk.send(0, "end").close(talk.initial, join);
    const told = streamOf([...early, ...leap(talk.atMicros), ...handshake, ...talk.packets]);
    expect(told?.stream.initiator).toMatchObject({ octets: 703, missing: [], complete: true });
  });

  it("takes no octets that wait for their mapping", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const join = talk.join();
    talk.segment(talk.initial, 0, ACK, [], Buffer.from("wor"));
    const early = talk.packets.splice(0);
    talk.segment(talk.initial, 0, ACK, [option.dss({ dsn: talk.dsn(0, 5), ssn: 6, length: 5 })], Buffer.from("ld"));
    talk.offset[0] = 10;
    talk.close(talk.initial, join);
    const told = streamOf([...early, ...leap(talk.atMicros), ...talk.packets]);
    expect(told?.stream.initiator).toMatchObject({ octets: 10, missing: [], complete: true });
    expect(told?.subflows[0]?.data?.initiator.unmapped_octets).toBe(0);
  });
});
