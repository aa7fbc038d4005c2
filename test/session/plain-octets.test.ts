import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Side, type Subflow } from "../support/conversation.ts";
import { ACK, FIN, option, PSH } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

const text = (found: Run, side: Side, length: number): string =>
  found.streams.of(found.records[0]?.mptcp.session.id ?? "", side, length).toString();

/** A segment as plain TCP sends it. */
const plain = (talk: Conversation, side: Side, octets: string, on: Subflow = talk.initial, ssn?: number) =>
  talk.segment(on, side, ACK | PSH, [], Buffer.from(octets), ssn ?? on.next[side]);

/** A segment with an infinite mapping (RFC 8684 §3.7: data-level length 0) from this stream offset and ssn on. */
const infinite = (talk: Conversation, octets: string, offset: number, on: Subflow = talk.initial) => {
  const mapping = { ack: talk.dsn(1, talk.offset[1]), dsn: talk.dsn(0, offset), ssn: on.next[0], length: 0 };
  return talk.segment(on, 0, ACK | PSH, [option.dss(mapping)], Buffer.from(octets));
};

/** The end of both directions as TCP has it. */
const fins = (talk: Conversation, on: Subflow = talk.initial) =>
  talk
    .segment(on, 0, FIN | ACK)
    .segment(on, 1, FIN | ACK)
    .segment(on, 0, ACK);

describe("octets after a fallback", () => {
  it("go on where the mappings ended, both ways, though one side alone states an infinite mapping; FINs end the streams", () => {
    const talk = new Conversation().open().send(0, "one ").send(1, "uno ");
    infinite(talk, "two ", 4);
    plain(talk, 1, "dos ");
    plain(talk, 0, "three");
    plain(talk, 1, "tres");
    const found = run(fins(talk).packets);
    const { stream, fallback } = only(found).mptcp;
    expect(fallback).toMatchObject({ cause: expect.stringContaining("infinite") });
    expect(stream.initiator).toMatchObject({ octets: 13, contiguous: 13, missing: [], complete: true });
    expect(stream.responder).toMatchObject({ octets: 12, contiguous: 12, missing: [], complete: true });
    expect([text(found, 0, 13), text(found, 1, 12)]).toEqual(["one two three", "uno dos tres"]);
  });

  it("in any order and in any size of vector: retransmitted, late, overlapping, and a FIN that carries the last", () => {
    const talk = new Conversation().open().send(0, "one ");
    infinite(talk, "two ", 4);
    plain(talk, 0, "three ");
    plain(talk, 0, "four");
    const begin = talk.packets.length;
    plain(talk, 0, "two three", talk.initial, 5);
    talk.segment(talk.initial, 0, FIN | ACK, [], Buffer.from(" five"), 19);
    const [last] = talk.packets.splice(begin - 2, 1);
    if (last !== undefined) talk.packets.push(last);
    for (const batch of [1, 2, 64]) {
      const found = run(talk.packets, {}, batch);
      expect(text(found, 0, 23)).toBe("one two three four five");
      expect(only(found).mptcp.stream.initiator).toMatchObject({ octets: 23, contiguous: 23, complete: true });
    }
  });

  it.each([1, 64])("that came before the fallback was seen, in its microsecond too (%i to a vector)", (batch) => {
    // A number that no segment acknowledged, 0, would lie 100 octets ahead.
    const talk = new Conversation({ isn: [1, 2 ** 32 - 101] }).open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK);
    for (const word of ["one ", "two ", "three ", "four ", "five"]) plain(talk, 0, word);
    const { atMicros } = talk;
    const behind = talk.packets.splice(-5);
    // The first one, which shows the fallback, is the third to come: before it one of its microsecond, and behind it.
    for (const n of [1, 2, 0, 3, 4]) {
      const packet = behind[n];
      if (packet !== undefined) talk.packets.push({ ...packet, atMicros: n === 1 ? packet.atMicros : atMicros });
    }
    const found = run(talk.packets, {}, batch);
    expect(text(found, 0, 23)).toBe("one two three four five");
    const { stream, fallback } = only(found).mptcp;
    expect(fallback?.cause).toBe("ack-without-option");
    expect(stream.initiator).toMatchObject({ octets: 23, contiguous: 23, repeated_octets: 0 });
    expect(stream.responder).toMatchObject({ octets: 0, acknowledged: 0 });
  });

  it("take the infinite mapping's word for where they belong, also below what was seen", () => {
    // The last segment before the fallback went where the stream's numbers, not the subflow's, said: 10 octets ahead.
    const talk = new Conversation().open().send(0, "aaaa").send(0, "bbbb", { at: 14 });
    infinite(talk, "cccc", 4);
    plain(talk, 0, "dddd");
    const found = run(talk.packets);
    expect(text(found, 0, 12)).toBe("aaaaccccdddd");
    expect(only(found).mptcp.stream.initiator).toMatchObject({ octets: 16, contiguous: 12, missing_octets: 2 });
  });

  it("of a joined subflow, once it is the last, go by its mappings", () => {
    const talk = new Conversation().open().send(0, "first ");
    const second = talk.join();
    talk.send(0, "second ", { on: second }).send(1, "back ", { on: second });
    infinite(talk, "third ", 13, second);
    plain(talk, 0, "fourth", second);
    plain(talk, 1, "again", second);
    plain(talk, 0, "stray", talk.initial);
    const found = run(talk.packets);
    expect([text(found, 0, 25), text(found, 1, 10)]).toEqual(["first second third fourth", "back again"]);
    expect(only(found).mptcp.stream.initiator.octets).toBe(25);
  });

  it("of a direction of a joined subflow that never had a mapping have no place, and are told", () => {
    const talk = new Conversation().open().send(1, "before");
    const second = talk.join();
    talk.send(0, "first ", { on: second });
    infinite(talk, "more", 6, second);
    plain(talk, 1, "where?", second);
    const record = only(run(talk.packets));
    expect(record.mptcp.stream.responder.octets).toBe(6);
    expect(record.rejoin?.shed).toEqual({ octets: 6 });
  });

  it("wrap with the subflow's sequence numbers", () => {
    const talk = new Conversation({ isn: [0xffff_fff8, 0xffff_ffff] }).open().send(0, "0123").send(1, "x");
    infinite(talk, "4567", 4);
    plain(talk, 0, "89ab");
    plain(talk, 1, "yz");
    const found = run(fins(talk).packets);
    expect([text(found, 0, 12), text(found, 1, 3)]).toEqual(["0123456789ab", "xyz"]);
    expect(only(found).mptcp.stream).toMatchObject({ initiator: { complete: true }, responder: { complete: true } });
  });

  it("of more than 4 GiB keep their places", () => {
    const talk = new Conversation().open().send(0, "begin");
    infinite(talk, "x", 5);
    // The mirror sees one octet in 16 million.
    const step = 2 ** 24;
    for (let n = 1; n <= 300; n++) plain(talk, 0, "x", talk.initial, n * step);
    const { initiator } = only(run(talk.packets, { octets: null, digest: false })).mptcp.stream;
    expect(initiator.octets).toBe(306);
    expect(initiator.octets + initiator.missing_octets).toBe(300 * step);
  });

  it("end with the DATA_FIN of a side that has not noticed the fallback", () => {
    const talk = new Conversation().open().send(0, "one ").send(1, "uno");
    infinite(talk, "two", 4);
    talk.dataFin(1);
    expect(only(run(talk.packets)).mptcp.stream).toMatchObject({
      initiator: { octets: 7, complete: false },
      responder: { octets: 3, complete: true },
    });
  });

  it("without a mapping in a session that has not fallen back are in no stream", () => {
    const talk = new Conversation().open().send(0, "abc").send(1, "def");
    const second = talk.join();
    talk.send(0, "x", { on: second });
    talk.segment(second, 0, ACK, [option.dss({ ack: talk.dsn(1, 3) })], Buffer.from("stray"));
    expect(only(run(talk.packets)).mptcp.stream.initiator.octets).toBe(4);
  });
});
