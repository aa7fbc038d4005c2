import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, keys, option, PSH } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

/** The first octets of the initiator's stream as text. */
const text = (found: Run, length: number): string =>
  found.streams.of(found.records[0]?.mptcp.session.id ?? "", 0, length).toString();

/** A key whose IDSN has these low 32 bits at least, so that 32-bit numbers wrap soon. */
function keyNearWrap(version: 0 | 1): { key: Buffer; left: number } {
  for (let n = 0; ; n++) {
    const key = Buffer.alloc(8);
    key.writeUInt32BE(n, 4);
    const left = 2 ** 32 - Number(BigInt.asUintN(32, keys.idsn(key, version)));
    if (left < 2 ** 20) return { key, left };
  }
}

/** The low half of a data sequence number of the initiator. */
const low = (talk: Conversation, offset: number): number => Number(BigInt.asUintN(32, talk.dsn(0, offset)));

describe("data sequence numbers", () => {
  it.each([
    ["64", false],
    ["32", true],
  ])("of %s bits across the wrap of the low 32", (_, narrow) => {
    const { key, left } = keyNearWrap(1);
    const talk = new Conversation({ keys: [key, Buffer.alloc(8, 9)] }).open();
    const chunk = "0123456789abcdef".repeat(4096);
    let sent = 0;
    for (; sent < left + 3 * chunk.length; sent += chunk.length) {
      for (let at = 0; at < chunk.length; at += 1024) talk.send(0, chunk.slice(at, at + 1024), { narrow });
    }
    const { mptcp } = only(run(talk.close().packets));
    expect(mptcp.stream.initiator).toMatchObject({ octets: sent, contiguous: sent, missing: [], complete: true });
    const expected = createHash("sha256").update(chunk.repeat(sent / chunk.length));
    expect(mptcp.stream.initiator.sha256).toBe(expected.digest("hex"));
  });

  it("of 32 bits back across the wrap: a late segment from before it", () => {
    const { key, left } = keyNearWrap(1);
    const talk = new Conversation({ keys: [key, Buffer.alloc(8, 9)] }).open();
    const size = 1000;
    const count = Math.ceil(left / size) + 5;
    for (let n = 0; n < count; n++) talk.send(0, "x".repeat(size), { narrow: true });
    // The segment before the wrap comes last: its low 32 bits are far above those that are expected.
    const late = 3 + Math.floor(left / size) - 1;
    const [held] = talk.packets.splice(late, 1);
    if (held !== undefined) talk.packets.push(held);
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({ octets: count * size, missing: [] });
  });

  it.each<[name: string, forge: (talk: Conversation) => Buffer]>([
    ["64 bits, as far ahead as counts", (talk) => option.dss({ dsn: talk.dsn(0, 2 ** 32 - 1000), ssn: 5, length: 4 })],
    ["64 bits, beyond half of 32", (talk) => option.dss({ dsn: talk.dsn(0, 2 ** 31 + 1000), ssn: 5, length: 4 })],
    [
      "32 bits, as far ahead as they can tell",
      (talk) => option.dss({ dsn: low(talk, 2 ** 31 - 9), ssn: 5, length: 4 }),
    ],
  ])("of 32 bits keep their places, whatever one segment states: %s", (_, forge) => {
    const talk = new Conversation().open().send(0, "one ", { narrow: true }).send(1, "x");
    const { ends, isn, next } = talk.initial;
    // Under the same addresses, and on a join, so that it takes nobody's place there.
    const forged = { ends, isn, opener: 0, next: [...next] as [number, number] } as const;
    const on = talk.join();
    talk.segment(forged, 0, ACK | PSH, [forge(talk)], Buffer.from("EVIL"));
    for (let n = 0; n < 3; n++) talk.send(0, "two ", { narrow: true, on });
    expect(text(run(talk.packets), 16)).toBe("one two two two ");
  });

  it("of 32 bits where nobody acknowledges, behind gaps of a GB each", () => {
    const talk = new Conversation().open();
    for (const [n, at] of [0, 2 ** 30, 2 ** 31].entries()) {
      const mapping = option.dss({ dsn: low(talk, at), ssn: 1 + n, length: 1 });
      talk.segment(talk.initial, 0, ACK | PSH, [mapping], Buffer.from("x"));
    }
    const { acknowledged, missing } = only(run(talk.packets)).mptcp.stream.initiator;
    expect(acknowledged).toBe(null);
    expect(missing).toEqual([1, 2 ** 30 + 1].map((offset) => ({ offset, length: 2 ** 30 - 1 })));
  });
});

describe("placing octets", () => {
  it("out of order, over subflows, in any size of vector", () => {
    const talk = new Conversation().open();
    const second = talk.join();
    talk.send(0, "aaa").send(0, "bbb", { on: second }).send(0, "ccc").send(0, "ddd", { on: second });
    const [a, b, c, d] = talk.packets.slice(6);
    if (!a || !b || !c || !d) throw new Error("four segments");
    for (const batch of [1, 3, 64]) {
      const found = run([...talk.packets.slice(0, 6), d, b, c, a], {}, batch);
      expect(text(found, 12)).toBe("aaabbbcccddd");
      expect(only(found).mptcp.stream.initiator).toMatchObject({ octets: 12, contiguous: 12, missing: [] });
    }
  });

  it("one mapping covers several segments, stated on the first only", () => {
    const talk = new Conversation().open();
    const mapping = option.dss({ ack: talk.dsn(1, 0), dsn: talk.dsn(0, 0), ssn: 1, length: 12 });
    talk.segment(talk.initial, 0, ACK, [mapping], Buffer.from("one "));
    talk.segment(talk.initial, 0, ACK, [], Buffer.from("two "));
    talk.segment(talk.initial, 0, ACK, [option.dss({ ack: talk.dsn(1, 0) })], Buffer.from("last"));
    expect(text(run(talk.packets), 12)).toBe("one two last");
  });

  it("a mapping repeated on each of its segments places them by their offset inside it", () => {
    const talk = new Conversation().open();
    const mapping = option.dss({ ack: talk.dsn(1, 0), dsn: talk.dsn(0, 0), ssn: 1, length: 12 });
    for (const part of ["one ", "two ", "last"]) talk.segment(talk.initial, 0, ACK, [mapping], Buffer.from(part));
    const found = run(talk.packets);
    expect(text(found, 12)).toBe("one two last");
    expect(only(found).mptcp.stream.initiator.octets).toBe(12);
  });

  it("a retransmission counts once and is kept in the packet count", () => {
    const talk = new Conversation().open().send(0, "first").send(0, "again", { ssn: 1, at: 0 });
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(mptcp.stream.initiator.octets).toBe(5);
    expect(text(found, 5)).toBe("first");
    expect(mptcp.subflows[0]?.source.packets).toBe(4);
  });

  it("a reinjection on another subflow counts once", () => {
    const talk = new Conversation().open().send(0, "once");
    const second = talk.join();
    talk.send(0, "once", { on: second, at: 0 }).send(0, "more", { on: second });
    const found = run(talk.packets);
    expect(only(found).mptcp.stream.initiator.octets).toBe(8);
    expect(text(found, 8)).toBe("oncemore");
  });

  it("a retransmission that overlaps brings only what is new", () => {
    const talk = new Conversation().open().send(0, "abc").send(0, "ABCDEF", { ssn: 1, at: 0 });
    const found = run(talk.packets);
    expect(text(found, 6)).toBe("abcDEF");
    expect(only(found).mptcp.stream.initiator.octets).toBe(6);
  });

  it("payload outside of any mapping is not placed", () => {
    const talk = new Conversation().open().send(0, "abc");
    talk.segment(talk.initial, 0, ACK, [option.dss({ ack: talk.dsn(1, 0) })], Buffer.from("stray"));
    const found = run(talk.packets);
    expect(only(found).mptcp.stream.initiator).toMatchObject({ octets: 3, contiguous: 3 });
    expect(found.totals.packets).toEqual({ "session/counted": 5 });
  });

  it("a hole is missing, and listed; at most sixteen are", () => {
    const talk = new Conversation().open();
    for (let n = 0; n < 20; n++) talk.send(0, "xy", { at: n * 5 + 3 });
    const { initiator } = only(run(talk.packets)).mptcp.stream;
    expect(initiator).toMatchObject({ octets: 40, contiguous: 0, missing_octets: 60, complete: false });
    expect(initiator.missing).toEqual(Array.from({ length: 16 }, (_, n) => ({ offset: n * 5, length: 3 })));
    expect(initiator.sha256).toBe(createHash("sha256").digest("hex"));
  });

  it("a number far beyond any window is refused and counted", () => {
    const talk = new Conversation()
      .open()
      .send(0, "abc")
      .send(0, "far", { at: 2 ** 41 });
    const record = only(run(talk.packets));
    expect(record.mptcp.stream.initiator.octets).toBe(3);
    expect(record.rejoin?.shed).toEqual({ octets: 3 });
  });
});

describe("DATA_FIN", () => {
  it("alone: the stream's length, and no octet", () => {
    const talk = new Conversation().open().send(0, "abc").dataFin(0);
    expect(only(run(talk.packets)).mptcp.stream).toMatchObject({
      initiator: { octets: 3, complete: true, missing: [] },
      responder: { octets: 0, complete: false },
    });
  });

  it("with the last data", () => {
    const talk = new Conversation().open().send(0, "abc").send(0, "def", { fin: true });
    const found = run(talk.packets);
    expect(only(found).mptcp.stream.initiator).toMatchObject({ octets: 6, complete: true, missing: [] });
    expect(text(found, 6)).toBe("abcdef");
  });

  it("tells the length of a hole at the end", () => {
    const talk = new Conversation().open().send(0, "abc").send(0, "lost").dataFin(0);
    talk.packets.splice(4, 1);
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({
      octets: 3,
      missing: [{ offset: 3, length: 4 }],
      missing_octets: 4,
      complete: false,
    });
  });

  it("far beyond any window is refused", () => {
    const talk = new Conversation().open().send(0, "abc");
    talk.offset[0] = 2 ** 41;
    talk.dataFin(0);
    talk.offset[0] = 3;
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({ missing_octets: 0, complete: false });
    expect(only(run(talk.dataFin(0).packets)).mptcp.stream.initiator.complete).toBe(true);
  });

  it("of an empty stream", () => {
    const talk = new Conversation().open().dataFin(0).dataFin(1);
    expect(only(run(talk.packets)).mptcp.stream).toMatchObject({
      initiator: { octets: 0, complete: true },
      responder: { octets: 0, complete: true },
    });
  });

  it("leaves the mapping under way alone: a retransmission after it is still placed", () => {
    const talk = new Conversation().open();
    const mapping = option.dss({ ack: talk.dsn(1, 0), dsn: talk.dsn(0, 0), ssn: 1, length: 8 });
    talk.segment(talk.initial, 0, ACK | PSH, [mapping], Buffer.from("head"));
    talk.offset[0] = 8;
    talk.dataFin(0);
    talk.segment(talk.initial, 0, ACK | PSH, [], Buffer.from("tail"));
    const found = run(talk.packets);
    expect(text(found, 8)).toBe("headtail");
    expect(only(found).mptcp.stream.initiator.complete).toBe(true);
  });
});

describe("a DATA_FIN that somebody else states", () => {
  /** One that lies so many octets behind those sent, or before their end. */
  const forgeFin = (talk: Conversation, ahead: number): Conversation => {
    talk.offset[0] += ahead;
    talk.dataFin(0);
    talk.offset[0] -= ahead;
    return talk;
  };
  /** The responder acknowledges all octets, and the DATA_FIN with them. */
  const acknowledge = (talk: Conversation, fin = 0): Conversation =>
    talk.segment(talk.initial, 1, ACK, [option.dss({ ack: talk.dsn(0, talk.offset[0] + fin) })]);

  it.each([1000, -2])("%i octets away is no end once the true one was stated", (ahead) => {
    const talk = forgeFin(acknowledge(new Conversation().open().send(0, "abc")), ahead)
      .send(0, "def")
      .dataFin(0);
    for (const batch of [1, 64]) {
      const { initiator } = only(run(talk.packets, {}, batch)).mptcp.stream;
      expect(initiator).toMatchObject({ octets: 6, missing_octets: 0, complete: true });
    }
  });

  it("alone says nothing of the stream that goes on", () => {
    const talk = forgeFin(acknowledge(new Conversation().open().send(0, "abc")), 1000);
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({ missing_octets: 0, complete: false });
  });

  it("after the true one, before that is acknowledged, does not take its place", () => {
    const talk = acknowledge(new Conversation().open()).send(0, "abc").send(0, "lost").send(0, "def").dataFin(0);
    acknowledge(forgeFin(talk, 1000), 1);
    talk.packets.splice(5, 1);
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({ missing_octets: 4, acknowledged: 10 });
    // What fills the hole makes it whole.
    talk.send(0, "lost", { at: 3, ssn: 4 });
    expect(only(run(talk.packets)).mptcp.stream.initiator).toMatchObject({ missing_octets: 0, complete: true });
  });
});

describe("copies that were cut", () => {
  /** Every packet cut to so many octets. */
  const cut = (talk: Conversation, octets: number) =>
    talk.packets.map((packet) => ({ ...packet, octets: packet.octets.subarray(0, octets) }));

  it("octets keep their place: counted, missing, and the digest stops at the first cut", () => {
    const talk = new Conversation().open().send(0, "x".repeat(100)).send(0, "y".repeat(50)).close();
    // 20 octets of IPv4, 20 of TCP, 28 of DSS (ACK and DSN of 8): 12 of payload are left.
    const found = run(cut(talk, 80));
    const { initiator } = only(found).mptcp.stream;
    const left = 80 - 40 - 28;
    expect(initiator).toMatchObject({
      octets: 150,
      contiguous: left,
      cut_octets: 150 - 2 * left,
      missing_octets: 150 - 2 * left,
      missing: [
        { offset: left, length: 100 - left },
        { offset: 100 + left, length: 50 - left },
      ],
      complete: false,
    });
    expect(initiator.sha256).toBe(createHash("sha256").update("x".repeat(left)).digest("hex"));
    expect(found.totals.packets).toEqual({ "session/counted": talk.packets.length });
  });

  it("many cuts: the first few are listed, all are counted", () => {
    const talk = new Conversation().open();
    for (let n = 0; n < 40; n++) talk.send(0, "z".repeat(100));
    const { initiator } = only(run(cut(talk, 80))).mptcp.stream;
    const all = Array.from({ length: 40 }, (_, n) => ({ offset: n * 100 + 12, length: 88 }));
    expect(initiator.missing.length).toBeGreaterThan(0);
    expect(initiator.missing.length).toBeLessThanOrEqual(16);
    expect(initiator.missing).toEqual(all.slice(0, initiator.missing.length));
    expect(initiator).toMatchObject({ octets: 4000, cut_octets: 40 * 88, missing_octets: 40 * 88 });
  });
});
