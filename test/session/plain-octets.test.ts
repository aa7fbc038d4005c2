import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { timeText } from "../../src/record/time-text.ts";
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

  it("that carry a DSS without a mapping are plain octets, too", () => {
    const talk = new Conversation().open().send(0, "one ").send(1, "uno");
    infinite(talk, "two ", 4);
    const bare = (octets: string) =>
      talk.segment(talk.initial, 1, ACK, [option.dss({ ack: talk.dsn(0, 8) })], Buffer.from(octets));
    bare(" dos");
    plain(talk, 0, "three");
    bare(" tres");
    for (const batch of [1, 2, 3, 64]) {
      const found = run(talk.packets, {}, batch);
      const record = only(found);
      expect(text(found, 1, 12)).toBe("uno dos tres");
      expect(record.mptcp.stream.responder).toMatchObject({ octets: 12, repeated_octets: 0 });
      expect(record.rejoin?.shed).toBeUndefined();
    }
  });

  it("on another subflow than the one that the session goes on with are counted", () => {
    const talk = new Conversation().open().send(0, "first ");
    const second = talk.join();
    talk.send(0, "second ", { on: second }).send(1, "back ", { on: second });
    infinite(talk, "third ", 13, second);
    plain(talk, 0, "stray", talk.initial);
    for (const batch of [1, 64]) {
      const record = only(run(talk.packets, {}, batch));
      const unmapped = record.mptcp.subflows[0]?.data?.initiator.unmapped_octets ?? 0;
      expect(unmapped + (record.rejoin?.shed?.octets ?? 0)).toBe(5);
    }
  });

  it("are placed once, whatever times two agents state: what came before the fallback, and what came behind it", () => {
    const talk = new Conversation().open().send(0, "one ").send(1, "uno ");
    const begin = talk.packets.length;
    // Out of order, it shows nothing yet: its octets wait for a mapping.
    plain(talk, 0, "three", talk.initial, 9);
    infinite(talk, "two ", 4, { ...talk.initial, next: [5, 5] });
    plain(talk, 1, "dos");
    for (const shift of [-5_000, 5_000]) {
      const packets = talk.packets.map((packet, n) =>
        n === begin || n === begin + 2 ? { ...packet, atMicros: packet.atMicros + shift, source: 1 } : packet,
      );
      for (const batch of [1, 64]) {
        const found = run(packets, {}, batch);
        expect([text(found, 0, 13), text(found, 1, 7)]).toEqual(["one two three", "uno dos"]);
        const { initiator, responder } = only(found).mptcp.stream;
        expect([initiator.octets, initiator.repeated_octets]).toEqual([13, 0]);
        expect([responder.octets, responder.repeated_octets]).toEqual([7, 0]);
      }
    }
  });

  it("that waited for a mapping when plain ones showed the fallback are placed with these", () => {
    const talk = new Conversation().open().send(0, "one ").send(1, "uno ");
    plain(talk, 0, "three", talk.initial, 9);
    plain(talk, 0, "two ", talk.initial, 5);
    for (const batch of [1, 3, 64]) {
      const found = run(talk.packets, {}, batch);
      expect(text(found, 0, 13)).toBe("one two three");
      expect(only(found).mptcp.stream.initiator).toMatchObject({ octets: 13, repeated_octets: 0 });
    }
  });

  it("that carry a DSS without a mapping behind a gap, or whose copy was cut in its options, are counted as what they are", () => {
    const talk = new Conversation().open().send(0, "one ");
    infinite(talk, "two ", 4);
    plain(talk, 1, "uno");
    const bare = option.dss({ ack: talk.dsn(0, 8) });
    talk.segment(talk.initial, 1, ACK, [bare], Buffer.from("far"), 11);
    talk.segment(talk.initial, 1, ACK, [option.timestamp(1)], Buffer.from("cut"), 14);
    const last = talk.packets.pop();
    if (last !== undefined) talk.packets.push({ ...last, octets: last.octets.subarray(0, 44) });
    for (const batch of [1, 64]) {
      const { responder } = only(run(talk.packets, {}, batch)).mptcp.stream;
      expect(responder).toMatchObject({ octets: 9, contiguous: 3, cut_octets: 3, missing_octets: 10 });
    }
  });

  it("that come behind both FINs end the session when they show the fallback, not a minute later", () => {
    const talk = new Conversation().open().send(0, "one ").send(1, "uno ");
    plain(talk, 0, "two");
    fins(talk);
    const [late] = talk.packets.splice(-4, 1);
    const atMicros = talk.atMicros + 1_000_000;
    if (late !== undefined) talk.packets.push({ ...late, atMicros });
    const other = { ip: "10.8.8.8", port: 8 };
    talk.wait(30).segment({ ...talk.initial, ends: [other, other], next: [1, 1] }, 0, ACK);
    const record = only(run(talk.packets, {}, 1));
    expect(record.mptcp.stream.initiator.complete).toBe(true);
    expect(record["@timestamp"]).toBe(timeText(atMicros + 1_000_000));
  });

  it("end at a FIN that came before the fallback showed, also where octets before it came later or not at all", () => {
    for (const lost of [false, true]) {
      const talk = new Conversation().open().send(0, "one ").send(1, "uno ");
      plain(talk, 1, "dos");
      talk.segment(talk.initial, 1, FIN | ACK);
      plain(talk, 0, "two");
      talk.segment(talk.initial, 0, FIN | ACK).segment(talk.initial, 1, ACK);
      const [late] = talk.packets.splice(-5, 1);
      if (late !== undefined && !lost) talk.packets.push(late);
      for (const batch of [1, 64]) {
        const { stream, fallback, close } = only(run(talk.packets, {}, batch)).mptcp;
        expect(fallback?.cause).toBe("data-without-option");
        expect(close).toEqual({ reason: "fin", by: "both" });
        expect(stream.initiator).toMatchObject({ octets: 7, complete: true });
        expect(stream.responder).toMatchObject(
          lost ? { octets: 4, complete: false, missing: [{ offset: 4, length: 3 }] } : { octets: 7, complete: true },
        );
      }
    }
  });
});

describe("octets far ahead of all that was seen", () => {
  it.each([
    [2 ** 32, 6, undefined],
    [2 ** 32 + 1, 5, { octets: 1 }],
  ])("that end %i octets behind them", (distance, octets, shed) => {
    const talk = new Conversation()
      .open()
      .send(0, "hello")
      .send(0, "x", { at: 5 + distance - 1 });
    for (const options of [{}, { octets: null, digest: false }]) {
      const record = only(run(talk.packets, options));
      expect([record.mptcp.stream.initiator.octets, record.rejoin?.shed]).toEqual([octets, shed]);
    }
  });
});

describe("octets before a stream's first one", () => {
  it("are in no stream and counted", () => {
    const talk = new Conversation().open().send(0, "abc");
    talk.send(0, "before", { at: -6 }).send(0, "xxabc", { at: -2 });
    const record = only(run(talk.packets));
    expect(record.mptcp.stream.initiator).toMatchObject({ octets: 3, repeated_octets: 3 });
    expect(record.rejoin?.shed).toEqual({ octets: 8 });
  });
});
