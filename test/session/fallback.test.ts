import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { ACK, FIN, option, RST, SYN } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

function fallbackOf(talk: Conversation) {
  return only(run(talk.packets)).mptcp.fallback;
}
const causeOf = (talk: Conversation) => fallbackOf(talk)?.cause;

/** Octets of one side without any option, behind what it sent last. */
const plain = (talk: Conversation, side: 0 | 1, text: string, on = talk.initial): Conversation =>
  talk.segment(on, side, ACK, [], Buffer.from(text));

/** An infinite mapping (RFC 8684 §3.7: data-level length 0) of the octets a side sends next. */
const infinite = (talk: Conversation, side: 0 | 1): Conversation =>
  talk.segment(
    talk.initial,
    side,
    ACK,
    [option.dss({ dsn: talk.dsn(side, talk.offset[side]), ssn: talk.initial.next[side], length: 0 })],
    Buffer.from("infinite"),
  );

const fail = (talk: Conversation, side: 0 | 1): Conversation =>
  talk.segment(talk.initial, side, ACK, [option.fail(talk.dsn(side === 0 ? 1 : 0, 0))]);

describe("why a session is plain TCP (RFC 8684 §3.7)", () => {
  it("the SYN/ACK has no option", () => {
    const talk = new Conversation().open(["syn"]);
    talk.segment(talk.initial, 1, SYN | ACK).segment(talk.initial, 0, ACK);
    expect(causeOf(plain(talk, 0, "x"))).toBe("syn-ack-without-option");
  });

  it("SYNs with the option got no answer, one without it did", () => {
    const talk = new Conversation().open(["syn"]).wait(1).open(["syn"]).wait(2);
    talk.segment(talk.initial, 0, SYN).segment(talk.initial, 1, SYN | ACK);
    expect(causeOf(plain(talk, 0, "x"))).toBe("syn-retried-without-option");
  });

  it.each([0, 1] as const)("neither the third ACK nor first data has one, of side %i", (side) => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK);
    expect(causeOf(plain(talk, side, "x"))).toBe("ack-without-option");
  });

  it("the third ACK has none, data has a DSS: no fallback (§3.1)", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK).send(0, "x").send(1, "y").close();
    expect(causeOf(talk)).toBeUndefined();
  });

  it("the SYN/ACK states another version, and the initiator goes on without", () => {
    const old = new Conversation({ version: 0 });
    const talk = new Conversation().open(["syn"]);
    talk.segment(talk.initial, 1, SYN | ACK, [option.capable(0, [old.keys[1]])]).segment(talk.initial, 0, ACK);
    expect(causeOf(plain(talk, 0, "x"))).toBe("version");
  });

  it("the SYN/ACK was not seen, and data has no option", () => {
    const talk = new Conversation().open(["syn"]);
    talk.initial.next[1] = 1;
    talk.segment(talk.initial, 0, ACK);
    expect(causeOf(plain(talk, 0, "x"))).toBe("unknown");
  });

  it.each([0, 1] as const)("data of side %i behind mapped data has neither option nor mapping", (side) => {
    const talk = new Conversation().open().send(0, "hello").send(1, "good day");
    expect(causeOf(plain(talk, side, "plain"))).toBe("data-without-option");
  });

  it("data behind mapped data that came before all that is below it, with more mappings than are kept", () => {
    const talk = new Conversation().open();
    for (let n = 0; n < 12; n++) talk.send(0, `data ${n}`);
    const newest = talk.packets.splice(-1, 1);
    talk.packets.splice(-11, 0, ...newest);
    const found = run(plain(talk, 0, "plain").packets);
    expect(sessionRecord.parse(found.records[0]).mptcp.fallback?.cause).toBe("data-without-option");
  });

  it("not where segments before it are missing: their mapping may have covered it", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "good day");
    plain(plain(talk, 0, "lost"), 0, "seen");
    talk.packets.splice(-2, 1);
    expect(causeOf(talk)).toBeUndefined();
  });

  it("not where other subflows are left", () => {
    const talk = new Conversation().open().send(0, "hello");
    talk.join();
    expect(causeOf(plain(talk, 0, "plain"))).toBeUndefined();
  });

  it("not because somebody could send a SYN with the token: only a join that proved itself is a subflow", () => {
    const talk = new Conversation().open().send(0, "hello");
    talk.join({ wrong: "opener" });
    expect(causeOf(plain(talk, 0, "plain"))).toBe("data-without-option");
  });

  it("an infinite mapping, no MP_FAIL seen", () => {
    expect(causeOf(infinite(new Conversation({ checksum: true }).open().send(0, "hello"), 0))).toBe("infinite-mapping");
  });

  it("an infinite mapping, or plain data, behind a MP_FAIL: a checksum was wrong", () => {
    const talk = () => fail(new Conversation({ checksum: true }).open().send(0, "hello"), 1);
    expect(causeOf(infinite(talk(), 0))).toBe("checksum");
    expect(causeOf(plain(talk(), 0, "plain"))).toBe("checksum");
    expect(causeOf(talk())).toBeUndefined();
  });

  it("MP_FAIL of both sides", () => {
    const talk = new Conversation({ checksum: true }).open().send(0, "hello").send(1, "good day");
    expect(causeOf(fail(fail(talk, 1), 0))).toBe("checksum");
  });

  it.each([1, 64])("not MP_FAIL that is answered by one on a RST (%i to a vector)", (batch) => {
    const talk = fail(new Conversation({ checksum: true }).open().send(0, "hello").send(1, "good day"), 1);
    talk.segment(talk.initial, 0, RST | ACK, [option.fail(talk.dsn(1, 0))]);
    const { records } = run(talk.packets, {}, batch);
    const { fallback, mp_fail, close } = sessionRecord.parse(records[0]).mptcp;
    expect([fallback, mp_fail?.length, close?.reason]).toEqual([null, 2, "reset"]);
  });

  it.each([1, 64])("nor where that RST overtook what its host sent before (%i to a vector)", (batch) => {
    const talk = fail(new Conversation({ checksum: true }).open().send(0, "hello").send(1, "good day"), 1);
    const { next } = talk.initial;
    const [before] = next;
    talk.segment(talk.initial, 0, RST | ACK, [option.fail(talk.dsn(1, 0))], Buffer.alloc(0), before + 2 ** 21);
    next[0] = before;
    const [record] = run(talk.send(0, "late").packets, {}, batch).records;
    expect(record?.mptcp.fallback).toBeNull();
  });

  it.each([1, 64])("nor where the RST is seen before the MP_FAIL that it answers (%i to a vector)", (batch) => {
    const talk = new Conversation({ checksum: true }).open().send(0, "hello").send(1, "good day");
    talk.segment(talk.initial, 0, RST | ACK, [option.fail(talk.dsn(1, 0))]);
    const [record] = run(fail(talk, 1).packets, {}, batch).records;
    expect(record?.mptcp.fallback).toBeNull();
  });

  it("MP_FAIL where no checksums were agreed upon", () => {
    expect(causeOf(infinite(fail(new Conversation().open().send(0, "hello"), 1), 0))).toBe("mp-fail");
  });

  it("MP_FAIL while there are other subflows closes one of them, not the session's mappings", () => {
    const talk = new Conversation({ checksum: true }).open().send(0, "hello");
    talk.join();
    expect(causeOf(fail(fail(talk, 1), 0))).toBeUndefined();
  });

  it("tells when, and stays with the first cause", () => {
    const talk = new Conversation().open().send(0, "hello");
    const { atMicros } = talk;
    infinite(plain(talk, 0, "plain"), 0);
    expect(fallbackOf(talk)).toEqual({
      cause: "data-without-option",
      at: new Date(atMicros / 1000).toISOString().replace("Z", "000Z"),
      subflow: 0,
    });
  });

  it("not what a stranger says who joins with the token alone", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const forged = {
      ends: [
        { ip: "10.9.9.9", port: 999 },
        { ip: "10.2.0.2", port: 443 },
      ],
      opener: 0,
      isn: [3_000_000, 4_000_000],
      next: [1, 1],
    } satisfies Subflow;
    talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    const end = option.dss({ dsn: 12345n, ssn: 1, length: 0 });
    talk.segment(forged, 0, ACK, [end], Buffer.from("EVIL")).send(0, "world").close();
    expect(fallbackOf(talk)).toBeNull();
  });

  it("not MP_FAIL on one of two open subflows", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const joined = talk.join();
    for (const side of [0, 1] as const) {
      talk.segment(joined, side, ACK, [option.fail(talk.dsn(side === 0 ? 1 : 0, 0))]);
    }
    expect(fallbackOf(talk.send(0, "world").close())).toBeNull();
  });

  it("data without an option on the only subflow that is left", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const joined = talk.join();
    talk.segment(joined, 0, ACK | FIN).segment(joined, 1, ACK | FIN);
    expect(causeOf(plain(talk, 0, "plain"))).toBe("data-without-option");
  });

  it.each([0, 1] as const)(
    "not where one that is closed has brought octets of side %i: they may come again",
    (side) => {
      const talk = new Conversation().open().send(0, "hello").send(1, "x");
      const joined = talk.join();
      talk.send(side, "lost behind whoever watches", { on: joined });
      talk.segment(joined, 0, ACK | FIN).segment(joined, 1, ACK | FIN);
      // On this subflow it comes again, without its mapping: other octets of the stream than those that would follow.
      for (const by of [0, 1] as const) plain(talk, by, "lost behind whoever watches");
      const [record] = run(talk.packets).records;
      const { fallback, stream, subflows } = sessionRecord.parse(record).mptcp;
      expect([fallback, stream.initiator.conflicting, stream.responder.conflicting]).toEqual([null, 0, 0]);
      expect([stream.initiator.octets, stream.responder.octets]).toEqual(side === 0 ? [32, 1] : [5, 28]);
      expect(subflows[0]?.data?.initiator.unmapped_octets).toBe(27);
    },
  );

  it("nor where what it brought had no option either", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const joined = talk.join();
    plain(talk, 0, "lost", joined);
    talk.segment(joined, 0, ACK | FIN).segment(joined, 1, ACK | FIN);
    expect(causeOf(plain(talk, 0, "plain"))).toBeUndefined();
  });
});

describe("a handshake without its option", () => {
  it("no option in the SYN/ACK: the TCP octets are the stream", () => {
    const talk = new Conversation().open(["syn"]);
    const on = talk.initial;
    talk.segment(on, 1, SYN | ACK).segment(on, 0, ACK);
    talk.segment(on, 0, ACK, [], Buffer.from("plain ")).segment(on, 0, ACK, [], Buffer.from("octets"));
    talk.segment(on, 1, ACK, [], Buffer.from("answer"));
    talk
      .segment(on, 0, FIN | ACK)
      .segment(on, 1, FIN | ACK)
      .segment(on, 0, ACK);
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(mptcp.fallback).toMatchObject({ cause: "syn-ack-without-option", subflow: 0 });
    expect(mptcp.subflows).toHaveLength(1);
    expect(mptcp.stream).toMatchObject({
      initiator: { octets: 12, complete: true },
      responder: { octets: 6, complete: true },
    });
    expect(found.streams.of(mptcp.session.id, 0, 12).toString()).toBe("plain octets");
    expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
  });

  it("the SYN repeated without its option", () => {
    const talk = new Conversation().open(["syn"]);
    const on = talk.initial;
    talk
      .segment(on, 0, SYN)
      .segment(on, 1, SYN | ACK)
      .segment(on, 0, ACK);
    talk.segment(on, 0, ACK, [], Buffer.from("x"));
    expect(only(run(talk.packets)).mptcp.fallback?.cause).toBe("syn-retried-without-option");
  });

  it("no option on the third ACK and first data", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    const on = talk.initial;
    talk.segment(on, 0, ACK).segment(on, 0, ACK, [], Buffer.from("abc")).segment(on, 1, ACK, [], Buffer.from("de"));
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(mptcp.fallback?.cause).toBe("ack-without-option");
    expect(mptcp.stream).toMatchObject({ initiator: { octets: 3 }, responder: { octets: 2 } });
  });

  it("a third ACK without the option, data with a DSS: no fallback", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK).send(0, "abc");
    expect(only(run(talk.packets)).mptcp).toMatchObject({ fallback: null, stream: { initiator: { octets: 3 } } });
  });
});
