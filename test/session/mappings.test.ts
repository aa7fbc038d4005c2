import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option, PSH } from "../support/packets.ts";
import { type Run, type RunPacket, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

/** The initiator's stream, and what the record says of its first subflow. */
function told(packets: readonly RunPacket[], batch = 64) {
  const found = run(packets, {}, batch);
  const { mptcp, rejoin } = only(found);
  const { octets, missing_octets, conflicting } = mptcp.stream.initiator;
  const [subflow] = mptcp.subflows;
  return {
    text: found.streams.of(mptcp.session.id, 0, octets + missing_octets).toString(),
    stream: { octets, missing_octets, conflicting },
    data: subflow?.data?.initiator,
    subflow,
    shed: rejoin?.shed,
  };
}

/** The initiator's mapping of `length` octets of its stream from `offset`, at subflow sequence number offset + 1. */
const mapping = (talk: Conversation, offset: number, length: number, ssn = offset + 1): Buffer =>
  option.dss({ ack: talk.dsn(1, 0), dsn: talk.dsn(0, offset), ssn, length });

/** A segment of the initiator's stream at its place, under a mapping or none. */
const segment = (talk: Conversation, offset: number, text: string, dss?: Buffer): Conversation =>
  talk.segment(talk.initial, 0, ACK | PSH, dss === undefined ? [] : [dss], Buffer.from(text), offset + 1);

/** A DSS that only acknowledges: its segment is MPTCP, and has no mapping of its own. */
const acknowledging = (talk: Conversation): Buffer => option.dss({ ack: talk.dsn(1, 0) });

/** A conversation in which the first four octets, "head", showed that both sides speak MPTCP. */
const open = (): Conversation => {
  const talk = new Conversation().open();
  return segment(talk, 0, "head", mapping(talk, 0, 4));
};

describe("one mapping over many segments", () => {
  it("46 of them, 65,320 octets, as Linux sends them", () => {
    const talk = new Conversation().open();
    const size = 1420;
    const all = Buffer.from(Array.from({ length: 65_320 }, (_, n) => 97 + (n % 23)));
    for (let at = 0; at < all.length; at += size) {
      segment(talk, at, all.subarray(at, at + size).toString(), mapping(talk, 0, all.length));
    }
    expect(talk.packets.length).toBe(3 + 46);
    const { text, data } = told(talk.packets);
    expect(text).toBe(all.toString());
    expect(data).toMatchObject({ octets: 65_320, share: 1, retransmissions: 0, out_of_order: 0, unmapped_octets: 0 });
  });

  it("stated on its first segment only, which comes last", () => {
    const talk = open();
    const order = [8, 12, 4];
    for (const at of order) segment(talk, at, `[${at}]`.padEnd(4), at === 4 ? mapping(talk, 4, 12) : undefined);
    for (const batch of [1, 2, 64]) {
      const { text, data, stream } = told(talk.packets, batch);
      expect(text).toBe("head[4] [8] [12]");
      expect(stream.missing_octets).toBe(0);
      expect(data).toMatchObject({ octets: 16, out_of_order: 1, retransmissions: 0, unmapped_octets: 0 });
    }
  });

  it("a hole in it is filled by its own numbers, though newer ones came since", () => {
    const talk = open();
    const first = mapping(talk, 4, 12);
    segment(talk, 4, "aaaa", first);
    segment(talk, 12, "cccc", first);
    segment(talk, 16, "dddd", mapping(talk, 16, 4));
    segment(talk, 8, "bbbb");
    const { text, data } = told(talk.packets);
    expect(text).toBe("headaaaabbbbccccdddd");
    expect(data).toMatchObject({ octets: 20, out_of_order: 1, retransmissions: 0, unmapped_octets: 0 });
  });

  it("as many as are kept came before it: what it lacks is waited for all the same", () => {
    const talk = open();
    for (let n = 1; n <= 8; n++) segment(talk, 4 + 8 * n, `later ${n} `, mapping(talk, 4 + 8 * n, 8));
    segment(talk, 4, "firs", mapping(talk, 4, 8));
    const { text, stream, shed } = told(segment(talk, 8, "t of", acknowledging(talk)).packets);
    expect(text.slice(0, 20)).toBe("headfirst oflater 1 ");
    expect([stream.missing_octets, shed]).toEqual([0, undefined]);
  });

  it("a MP_CAPABLE with data is one, repeated or not", () => {
    const talk = new Conversation().open();
    const capable = option.capable(1, talk.keys, [8], 0x01);
    segment(talk, 0, "four", capable);
    segment(talk, 4, "more", capable);
    segment(talk, 0, "four", capable);
    const { text, data } = told(talk.packets);
    expect(text).toBe("fourmore");
    expect(data).toMatchObject({ octets: 8, retransmissions: 1 });
  });

  it("for data that never comes it places nothing", () => {
    const talk = open();
    segment(talk, 4, "aa", mapping(talk, 4, 1000));
    talk.segment(talk.initial, 0, ACK, [mapping(talk, 1004, 500)]);
    const { text, data, shed } = told(talk.packets);
    expect(text).toBe("headaa");
    expect(data).toMatchObject({ octets: 6, unmapped_octets: 0 });
    expect(shed).toBe(undefined);
  });

  it("announced without payload, before and after its octets", () => {
    const talk = open();
    talk.segment(talk.initial, 0, ACK, [mapping(talk, 4, 4)]);
    segment(talk, 4, "aaaa");
    segment(talk, 8, "bbbb");
    talk.segment(talk.initial, 0, ACK, [mapping(talk, 8, 4)]);
    expect(told(talk.packets).text).toBe("headaaaabbbb");
  });
});

describe("several mappings", () => {
  it("one segment under two of them", () => {
    const talk = open();
    talk.segment(talk.initial, 0, ACK, [mapping(talk, 4, 2)]);
    talk.segment(talk.initial, 0, ACK, [mapping(talk, 106, 2, 7)]);
    segment(talk, 4, "aabb");
    const { text, stream } = told(talk.packets);
    expect(stream.missing_octets).toBe(100);
    expect([text.slice(0, 6), text.slice(106)]).toEqual(["headaa", "bb"]);
  });

  it("that contradict: the first one holds, and they are counted", () => {
    const talk = open();
    segment(talk, 4, "aaaa", mapping(talk, 4, 8));
    segment(talk, 8, "bbbb", mapping(talk, 500, 8, 9));
    const { text, subflow } = told(talk.packets);
    expect(text).toBe("headaaaabbbb");
    expect(subflow?.contradicting_mappings).toBe(1);
  });

  it("that contradict what was seen already bring nothing", () => {
    const talk = open();
    segment(talk, 4, "aaaa", mapping(talk, 4, 4));
    segment(talk, 6, "aa", mapping(talk, 500, 2, 7));
    const { text, subflow } = told(talk.packets);
    expect(text).toBe("headaaaa");
    expect(subflow?.contradicting_mappings).toBe(1);
  });

  it("a retransmission under an older one, with its mapping or without", () => {
    const talk = open();
    for (const at of [4, 8, 12]) segment(talk, at, `<${at}>`.padEnd(4), mapping(talk, at, 4));
    segment(talk, 4, "<4> ", mapping(talk, 4, 4));
    segment(talk, 8, "<8> ");
    segment(talk, 16, "tail", mapping(talk, 16, 4));
    const { text, data, stream } = told(talk.packets);
    expect(text).toBe("head<4> <8> <12>tail");
    expect(stream.octets).toBe(20);
    expect(data).toMatchObject({ octets: 20, retransmissions: 2, unmapped_octets: 0 });
  });

  it("more than are kept, none of them filled: the oldest goes, and the record says so", () => {
    const talk = open();
    // Of each mapping the first half is missing; it comes when nine newer ones are known.
    for (let n = 0; n < 10; n++) segment(talk, 6 + n * 4, "nn", mapping(talk, 4 + n * 4, 4));
    segment(talk, 4, "00");
    segment(talk, 40, "99");
    const { text, shed, data } = told(talk.packets);
    // Eleven were known with the one of "head", which was filled: no loss.
    expect(shed).toEqual({ mappings: 2 });
    expect(text.slice(40, 44)).toBe("99nn");
    expect(text.slice(4, 6)).toBe("\0\0");
    expect(data?.octets).toBe(4 + 20 + 2);
  });
});

describe("mappings that are stated on their last segment", () => {
  it.each([2 ** 31, -(2 ** 30) - 100])("keep octets that lie below what somebody else sent, %i away", (away) => {
    const talk = open().send(1, "x");
    const before = talk.initial.next[0];
    talk.segment(talk.initial, 0, ACK | PSH, [acknowledging(talk)], Buffer.from("EVIL"), before + away);
    talk.initial.next[0] = before;
    let all = "head";
    for (let n = 0; n < 3; n++) {
      segment(talk, all.length, "early ", acknowledging(talk));
      segment(talk, all.length + 6, "late ", mapping(talk, all.length, 11));
      all += "early late ";
    }
    for (const batch of [1, 64]) {
      const { text, data, shed, subflow } = told(talk.packets, batch);
      expect({ text, octets: data?.octets, shed }).toEqual({ text: all, octets: all.length, shed: undefined });
      expect(subflow?.implausible_segments).toBe(1);
    }
  });

  it("that is the ninth, behind eight filled ones, which came before it", () => {
    const talk = open();
    for (let n = 0; n < 8; n++) segment(talk, 30 + n * 4, "late", mapping(talk, 30 + n * 4, 4));
    // Its other half has no mapping yet, and lies below all that are kept.
    segment(talk, 17, "13 octets: as", mapping(talk, 10, 20));
    segment(talk, 10, "another", acknowledging(talk));
    segment(talk, 4, "first ", mapping(talk, 4, 6));
    const { text, shed } = told(talk.packets);
    expect({ text, shed }).toEqual({ text: `headfirst another13 octets: as${"late".repeat(8)}`, shed: undefined });
  });
});

describe("subflows beyond those that can be watched", () => {
  it("keep their newest mapping: what is missing is lost, and the record says so", () => {
    const talk = open();
    segment(talk, 6, "bb", mapping(talk, 4, 4));
    segment(talk, 8, "cc", mapping(talk, 8, 2));
    segment(talk, 4, "aa");
    const bounds = { sessions: 16, subflows: 16, watchedSubflows: 0 };
    const { mptcp, rejoin } = only(run(talk.packets, { bounds }));
    expect(mptcp.stream.initiator).toMatchObject({ octets: 8, missing_octets: 2 });
    expect(rejoin?.shed).toEqual({ mappings: 1 });
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({ octets: 10, missing_octets: 0 });
  });
});

describe("octets without a mapping", () => {
  it("are told, when none comes", () => {
    const talk = open();
    segment(talk, 4, "stray", acknowledging(talk));
    const { text, data } = told(talk.packets);
    expect(text).toBe("head");
    expect(data).toMatchObject({ octets: 9, unmapped_octets: 5 });
  });

  it("wait ten seconds for theirs, and no longer", () => {
    for (const [seconds, text, unmapped] of [
      [9, "headlate", 0],
      [11, "head", 4],
    ] as const) {
      const talk = open();
      segment(talk, 4, "late", acknowledging(talk)).wait(seconds);
      // Any packet lets time pass; here one of the other side.
      talk.segment(talk.initial, 1, ACK, [option.dss({ ack: talk.dsn(0, 4) })]);
      talk.segment(talk.initial, 0, ACK, [mapping(talk, 4, 4)]);
      for (const batch of [1, 64]) {
        if (batch === 64 && seconds === 11) continue;
        const found = told(talk.packets, batch);
        expect(found.text).toBe(text);
        expect(found.data?.unmapped_octets).toBe(unmapped);
      }
    }
  });

  it("are placed by their numbers, when the session turns out to be plain TCP", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    for (const at of [8, 4, 0]) segment(talk, at, `[${at}]`.padEnd(4));
    for (const batch of [1, 2, 64]) {
      const { text, stream, data } = told(talk.packets, batch);
      expect(text).toBe("[0] [4] [8] ");
      expect(stream.missing_octets).toBe(0);
      expect(data?.unmapped_octets).toBe(0);
    }
  });

  it("wait in any order, behind many holes", () => {
    const talk = open();
    const places = Array.from({ length: 90 }, (_, n) => 4 + n);
    // Every second octet comes first: 45 holes. The mapping comes with the last one.
    const order = [...places.filter((at) => at % 2 === 1), ...places.filter((at) => at % 2 === 0).reverse()];
    for (const at of order) segment(talk, at, String(at % 10), at === 4 ? mapping(talk, 4, 90) : acknowledging(talk));
    expect(told(talk.packets).text).toBe(`head${places.map((at) => at % 10).join("")}`);
  });

  it("are held up to a bound: the oldest go", () => {
    const talk = open();
    const size = 60_000;
    for (let n = 0; n < 3; n++) segment(talk, 4 + n * size, "x".repeat(size), acknowledging(talk));
    for (let n = 0; n < 3; n++) talk.segment(talk.initial, 0, ACK, [mapping(talk, 4 + n * size, size)]);
    const { data, stream } = told(talk.packets);
    expect(data).toMatchObject({ octets: 4 + 3 * size, unmapped_octets: size });
    expect(stream).toMatchObject({ octets: 4 + 2 * size, missing_octets: size });
  });
});

describe("TCP below", () => {
  it("keep-alives, with an octet of garbage or none, are no data", () => {
    const talk = open();
    talk.segment(talk.initial, 0, ACK, [], Buffer.from("?"), 4);
    talk.segment(talk.initial, 0, ACK, [option.dss({ ack: talk.dsn(1, 0) })], Buffer.alloc(0), 4);
    segment(talk, 4, "more", mapping(talk, 4, 4));
    const { text, data, subflow } = told(talk.packets);
    expect(text).toBe("headmore");
    expect(data).toMatchObject({ octets: 8, retransmissions: 0, out_of_order: 0, unmapped_octets: 0 });
    expect(subflow?.keep_alives).toBe(2);
  });

  it("before any data too: an octet below the first is none of the stream", () => {
    const talk = new Conversation().open();
    talk.segment(talk.initial, 0, ACK, [], Buffer.from("?"), 0);
    segment(talk, 0, "head", mapping(talk, 0, 4));
    const { text, subflow } = told(talk.packets);
    expect(text).toBe("head");
    expect(subflow?.keep_alives).toBe(1);
  });

  it("a zero-window probe that carries the next octet, which is sent again with the rest", () => {
    const talk = open();
    const dss = mapping(talk, 4, 4);
    segment(talk, 4, "m", dss);
    segment(talk, 4, "more", dss);
    const { text, data } = told(talk.packets);
    expect(text).toBe("headmore");
    expect(data).toMatchObject({ octets: 8, retransmissions: 1 });
  });

  it("urgent data is data", () => {
    const talk = open();
    const urgent = 0x20;
    talk.segment(talk.initial, 0, ACK | urgent, [mapping(talk, 4, 4)], Buffer.from("now!"), 5);
    expect(told(talk.packets).text).toBe("headnow!");
  });

  it("octets reordered, overlapping and sent again are counted apart", () => {
    const talk = open();
    const dss = mapping(talk, 4, 100);
    segment(talk, 14, "b".repeat(10), dss);
    segment(talk, 4, "a".repeat(10), dss);
    segment(talk, 4, "a".repeat(10), dss);
    segment(talk, 20, "b".repeat(4) + "c".repeat(4), dss);
    const { text, data } = told(talk.packets);
    expect(text).toBe(`head${"a".repeat(10)}${"b".repeat(10)}cccc`);
    expect(data).toMatchObject({ octets: 28, out_of_order: 1, retransmissions: 2, unmapped_octets: 0 });
  });

  it("sequence numbers wrap: more than 4 GiB on one subflow, most of it unseen", () => {
    const step = 2 ** 24 - 1000;
    const count = 300;
    const talk = new Conversation({ isn: [2 ** 32 - 50, 0] }).open();
    for (let n = 0; n < count; n++) {
      talk.send(0, "0123456789", { at: n * step, ssn: 1 + n * step });
    }
    expect(count * step).toBeGreaterThan(2 ** 32);
    const { mptcp } = only(run(talk.packets, { octets: null, digest: false }));
    expect(mptcp.stream.initiator).toMatchObject({ octets: count * 10, missing_octets: (count - 1) * (step - 10) });
    expect(mptcp.subflows[0]?.data?.initiator).toMatchObject({ octets: count * 10, retransmissions: 0 });
  });

  it("and in order: all of 4 GiB and more is counted", () => {
    // 65,000 octets each on the wire, none of them captured.
    const size = 65_000;
    const count = Math.ceil(2 ** 32 / size) + 3;
    const talk = new Conversation({ isn: [12_345, 0] }).open();
    const one = new Conversation({ isn: [12_345, 0] });
    const packets: RunPacket[] = [...talk.packets];
    for (let n = 0; n < count; n++) {
      one.packets.length = 0;
      one.send(0, "", { at: n * size, ssn: 1 + n * size });
      const octets = Buffer.from(one.packets[0]?.octets ?? []);
      octets.writeUInt16BE(octets.length + size, 2);
      // The mapping's length: the last two octets of the DSS, which ends the packet.
      octets.writeUInt16BE(size, octets.length - 2);
      packets.push({ atMicros: talk.atMicros + n, wire: octets.length + size, octets });
    }
    const { mptcp } = only(run(packets, { octets: null, digest: false }));
    expect(mptcp.stream.initiator.octets).toBe(count * size);
    expect(mptcp.subflows[0]?.data?.initiator).toMatchObject({ octets: count * size, retransmissions: 0 });
  });
});
