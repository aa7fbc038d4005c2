import { describe, expect, it } from "vitest";
import { type SessionRecord, type StreamRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { type Run, type RunPacket, run } from "../support/pipeline-run.ts";

/** With octets wanted and without: the session stage has a short way where nobody wants them. */
const WAYS = [{}, { octets: null, digest: false }] as const;

const initiator = ({ records }: Run): StreamRecord => {
  expect(records).toHaveLength(1);
  const record: SessionRecord = sessionRecord.parse(records[0]);
  return record.mptcp.stream.initiator;
};

const hex = (text: string): string => Buffer.from(text).toString("hex");

/** Packets from this one on, as another agent copied them. */
const fromAgent = (packets: readonly RunPacket[], first: number, source: number): RunPacket[] =>
  packets.map((packet, n) => (n < first ? packet : { ...packet, source }));

describe.each(WAYS)("octets that come again", (options) => {
  it.each([1, 64])("on another subflow and differ: counted, and told with both copies (vectors of %i)", (batch) => {
    const talk = new Conversation().open().send(0, "the first copy wins");
    const second = talk.join();
    const begin = talk.packets.length;
    talk.send(0, "first-kopy", { on: second, at: 4 });
    const found = run(fromAgent(talk.packets, begin, 1), options, batch);
    expect(initiator(found)).toMatchObject({
      octets: 19,
      repeated_octets: 10,
      reinjected_octets: 10,
      not_compared_octets: 0,
      conflicting: 2,
      conflicts: [
        {
          offset: 9,
          length: 2,
          first: { subflow: 0, agent: "a", octets: hex(" c") },
          second: { subflow: 1, agent: "b", octets: hex("-k") },
        },
      ],
      conflicts_left_out: 0,
    });
  });

  it("on their own subflow: no reinjection; and alike: no conflict", () => {
    const talk = new Conversation().open().send(0, "abcdef").send(0, "abcdef", { ssn: 1, at: 0 });
    expect(initiator(run(talk.packets, options))).toMatchObject({
      repeated_octets: 6,
      reinjected_octets: 0,
      conflicting: 0,
      conflicts: [],
    });
  });

  it("over several pieces that came first: one conflict for each, in order, 32 octets of each at most", () => {
    const talk = new Conversation().open();
    const one = Buffer.alloc(100, "a");
    talk.send(0, one).send(0, one).send(0, one);
    const other = Buffer.alloc(300, "a");
    other.fill("z", 90, 110);
    other.fill("z", 210, 270);
    const second = talk.join();
    talk.send(0, other, { on: second, at: 0 });
    const { conflicting, conflicts } = initiator(run(talk.packets, options));
    expect(conflicting).toBe(80);
    expect(conflicts.map(({ offset, length }) => [offset, length])).toEqual([
      [90, 10],
      [100, 10],
      [210, 60],
    ]);
    expect(conflicts[2]?.first.octets).toBe(hex("a".repeat(32)));
    expect(conflicts[2]?.second.octets).toBe(hex("z".repeat(32)));
  });

  it("out of order, where only a part is new: that part is placed, the rest compared", () => {
    const talk = new Conversation().open().send(0, "0123456789").send(0, "KLMNO", { at: 20 });
    talk.send(0, "....................", { at: 8, ssn: 100 });
    const { octets, contiguous, conflicting, conflicts, repeated_octets } = initiator(run(talk.packets, options));
    expect({ octets, contiguous, repeated_octets, conflicting }).toEqual({
      ...{ octets: 28, contiguous: 28, repeated_octets: 7, conflicting: 7 },
    });
    expect(conflicts.map(({ offset, first }) => [offset, first.octets])).toEqual([
      [8, hex("89")],
      [20, hex("KLMNO")],
    ]);
  });

  it("of which one copy was cut: only what both hold is compared, and the rest is told", () => {
    const talk = new Conversation().open().send(0, Buffer.alloc(200, "a"));
    talk.send(0, Buffer.alloc(200, "b"), { ssn: 1, at: 0 }).send(0, Buffer.alloc(200, "a"), { ssn: 1, at: 0 });
    const packets = talk.packets.map((packet, n) =>
      n === 3 ? { ...packet, octets: packet.octets.subarray(0, packet.octets.length - 50) } : packet,
    );
    expect(initiator(run(packets, options))).toMatchObject({
      octets: 200,
      cut_octets: 50,
      repeated_octets: 400,
      not_compared_octets: 100,
      conflicting: 150,
      conflicts: [{ offset: 0, length: 150 }],
    });
    // Headers alone say nothing about octets.
    const headers = talk.packets.map((packet, n) =>
      n < 3 ? packet : { ...packet, octets: packet.octets.subarray(0, 68) },
    );
    expect(initiator(run(headers, options))).toMatchObject({ repeated_octets: 400, conflicting: null, conflicts: [] });
  });

  it("and are no longer remembered are told as not compared, never as equal", () => {
    const talk = new Conversation().open();
    const kib = Buffer.alloc(1024, "a");
    for (let n = 0; n < 40; n++) talk.send(0, kib);
    talk.send(0, Buffer.alloc(1024, "b"), { ssn: 1, at: 0 }).send(0, Buffer.alloc(1024, "b"), { at: 39 * 1024 });
    const bounds = { sessions: 8, subflows: 16, rememberedOctets: 16 * 1024 };
    expect(initiator(run(talk.packets, { ...options, bounds }, 1))).toMatchObject({
      octets: 40 * 1024,
      repeated_octets: 2048,
      not_compared_octets: 1024,
      conflicting: 1024,
      conflicts: [{ offset: 39 * 1024 }],
    });
  });

  it("and differ more often than a record has room for: the rest is counted", () => {
    const talk = new Conversation().open().send(0, "good");
    for (let n = 0; n < 20; n++) talk.send(0, "evil", { ssn: 1, at: 0 });
    const { conflicts, conflicts_left_out, conflicting } = initiator(run(talk.packets, options));
    expect([conflicts.length, conflicts_left_out, conflicting]).toEqual([16, 4, 80]);
  });

  it("mirror duplicates are none of it", () => {
    const talk = new Conversation().open().send(0, "once");
    const packets: RunPacket[] = [...talk.packets];
    const [last] = talk.packets.slice(-1);
    if (last !== undefined) packets.push({ ...last, source: 1 });
    expect(initiator(run(packets, options))).toMatchObject({ octets: 4, repeated_octets: 0, conflicting: 0 });
  });

  it("before a join is proven: compared when it is, and named with its own agent", () => {
    const talk = new Conversation().open().send(0, "from the initial subflow");
    const before = talk.packets.length;
    const second = talk.join();
    talk.send(0, "FROM", { on: second, at: 0 }).send(1, "ok", { on: second });
    // The SYN/ACK comes late, from an agent that is farther away.
    const [listener] = talk.packets.splice(before + 1, 1);
    if (listener !== undefined) talk.packets.push(listener);
    const { conflicts } = initiator(run(fromAgent(talk.packets, before, 2), options));
    expect(conflicts.map(({ second: again }) => again)).toEqual([{ subflow: 1, agent: "c", octets: hex("FROM") }]);
  });
});
