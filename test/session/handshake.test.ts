import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, keys, option, SYN, segment } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]);
};

const tokenText = (token: number): string => `0x${token.toString(16).padStart(8, "0")}`;

describe("MP_CAPABLE handshake", () => {
  it.each([0, 1] as const)("version %i: keys, tokens, IDSNs, streams and a close by both", (version) => {
    const talk = new Conversation({ version }).open();
    talk.send(0, "hello").send(1, "good day").close();
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(mptcp).toMatchObject({
      version,
      session: { evidence: "handshake", revision: 1 },
      token: { initiator: tokenText(talk.token(0)), responder: tokenText(talk.token(1)) },
      idsn: {
        initiator: keys.idsn(talk.keys[0], version).toString(),
        responder: keys.idsn(talk.keys[1], version).toString(),
      },
      checksum_required: false,
      fallback: null,
      close: { reason: "fin", by: "both" },
      stream: {
        initiator: { octets: 5, contiguous: 5, missing: [], complete: true },
        responder: { octets: 8, contiguous: 8, missing: [], complete: true },
      },
    });
    expect(found.streams.of(mptcp.session.id, 0, 5).toString()).toBe("hello");
    expect(found.streams.of(mptcp.session.id, 1, 8).toString()).toBe("good day");
    expect(found.totals.packets).toEqual({ "session/counted": talk.packets.length });
  });

  it("the checksum bit of either side means that checksums are required", () => {
    const talk = new Conversation({ checksum: true }).open().send(0, "x").close();
    expect(only(run(talk.packets)).mptcp.checksum_required).toBe(true);
  });

  it.each([
    ["the SYN", ["syn-ack", "ack"], "both"],
    ["the SYN/ACK", ["syn", "ack"], "both"],
    ["the third ACK", ["syn", "syn-ack"], "responder"],
  ] as const)("without %s: the same id and streams; the keys of %s remain", (_, parts, known) => {
    const whole = new Conversation().open().send(0, "hello").send(1, "good day").close();
    const part = new Conversation().open(parts).send(0, "hello").send(1, "good day").close();
    const expected = only(run(whole.packets)).mptcp;
    const { mptcp } = only(run(part.packets));
    expect(mptcp.session.id).toBe(expected.session.id);
    expect(mptcp.session.evidence).toBe("handshake");
    expect(mptcp.stream).toEqual(expected.stream);
    expect(mptcp.token).toEqual({
      initiator: known === "both" ? expected.token.initiator : null,
      responder: expected.token.responder,
    });
  });

  it.each([2 ** 17, -1000, 2 ** 20, 2 ** 31])(
    "made-up keys in a third ACK that acknowledges so many octets too many change nothing: %i, whenever it comes",
    (off) => {
      for (const parts of [0, 1, 2]) {
        const talk = new Conversation().open(["syn", "syn-ack"]);
        const [from, to] = talk.initial.ends;
        const forge = () => {
          const ack = (talk.initial.isn[1] + talk.initial.next[1] + off) >>> 0;
          const made = [Buffer.alloc(8, 0xee), Buffer.alloc(8, 0xdd)];
          const seq = talk.initial.isn[0] + talk.initial.next[0];
          const octets = segment({ from, to, flags: ACK, seq, ack, options: [option.capable(1, made)] });
          talk.packets.push({ octets, wire: octets.length, atMicros: talk.atMicros });
        };
        if (parts === 0) forge();
        talk.open(["ack"]);
        if (parts === 1) forge();
        talk.send(0, "hello").send(1, "good day");
        if (parts === 2) forge();
        const { mptcp } = only(run(talk.close().packets));
        expect(mptcp.verdicts?.key_echo).toEqual({ verdict: "verified" });
        expect(mptcp.subflows[0]?.implausible_segments).toBe(1);
        expect(mptcp.stream).toMatchObject({ initiator: { octets: 5, complete: true }, responder: { complete: true } });
      }
    },
  );

  it("a MP_CAPABLE without keys behind the handshake says nothing", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.segment(talk.initial, 0, ACK, [option.capable(1, [], [], 0xff)]);
    const { mptcp } = only(run(talk.close().packets));
    expect(mptcp.checksum_required).toBe(false);
    expect(mptcp.stream.initiator.checksum).toBeNull();
  });

  it("the handshake's last option may come with first data: a mapping from IDSN + 1", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    const first = option.capable(1, talk.keys, [5]);
    talk.segment(talk.initial, 0, ACK, [first], Buffer.from("hello"));
    talk.segment(talk.initial, 0, ACK, [first], Buffer.from("hello"), 1);
    talk.offset[0] = 5;
    talk.send(0, " world").close();
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(mptcp.stream.initiator).toMatchObject({ octets: 11, complete: true });
    expect(found.streams.of(mptcp.session.id, 0, 11).toString()).toBe("hello world");
    expect(mptcp.token.initiator).toBe(tokenText(talk.token(0)));
  });

  it("first data of 24 octets of option, with its checksum, over two segments", () => {
    const talk = new Conversation({ checksum: true }).open(["syn", "syn-ack"]);
    const first = option.capable(1, talk.keys, [10, 0xbeef], 0x81);
    talk.segment(talk.initial, 0, ACK, [first], Buffer.from("hello"));
    talk.segment(talk.initial, 0, ACK, [option.dss({ ack: talk.dsn(1, 0) })], Buffer.from("world"));
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(found.streams.of(mptcp.session.id, 0, 10).toString()).toBe("helloworld");
  });

  it("a SYN that is never answered is half-open, and no record", () => {
    const talk = new Conversation().open(["syn"]);
    const found = run(talk.packets);
    expect(found.records).toEqual([]);
    expect(found.totals.sessions).toMatchObject({ opened: 0, halfOpen: 1, live: 0 });
  });

  it("one direction alone: the responder's segments tell its key, token and stream", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "good day").close();
    const found = run(talk.packets.filter(({ octets }) => octets[15] === 2));
    const { mptcp } = only(found);
    expect(mptcp.token).toEqual({ initiator: null, responder: tokenText(talk.token(1)) });
    expect(mptcp.stream.responder).toMatchObject({ octets: 8, complete: true });
    expect(mptcp.stream.initiator.octets).toBe(0);
  });

  it("no record holds a key", () => {
    const talk = new Conversation().open().send(0, "x").close();
    const text = JSON.stringify(run(talk.packets, { revisions: "all" }).records);
    for (const key of talk.keys) {
      const octets = Buffer.from(key);
      for (const form of [octets.toString("hex"), octets.readBigUInt64BE().toString(), octets.toString("base64")]) {
        expect(text).not.toContain(form);
      }
    }
  });
});

describe("a SYN's 4-tuple used again", () => {
  it("with new keys while the first is open: the first is replaced, the second a session of its own", () => {
    const first = new Conversation().open().send(0, "one");
    const second = new Conversation({
      keys: [Buffer.alloc(8, 7), Buffer.alloc(8, 8)],
      isn: [9_000_000, 9_500_000],
      atMicros: first.atMicros,
    });
    second.open().send(0, "second").close();
    for (const batch of [64, 1]) {
      const { records } = run([...first.packets, ...second.packets], {}, batch);
      expect(records.map(({ mptcp }) => [mptcp.close?.reason, mptcp.stream.initiator.octets])).toEqual([
        ["replaced", 3],
        ["fin", 6],
      ]);
      expect(records[0]?.mptcp.subflows[0]?.close.reason).toBe("replaced");
      expect(new Set(records.map(({ mptcp }) => mptcp.session.id)).size).toBe(2);
    }
  });

  it("three times in a row after a close: three sessions, each closed in order", () => {
    const talks = [1, 2, 3].map((n) =>
      new Conversation({
        keys: [Buffer.alloc(8, n), Buffer.alloc(8, n + 16)],
        isn: [n * 1_000_000, n * 7_000_000],
        atMicros: 1_790_000_000_000_000 + n * 100_000,
      })
        .open()
        .send(0, "x".repeat(n))
        .close(),
    );
    const { records } = run(talks.flatMap(({ packets }) => packets));
    expect(records.map(({ mptcp }) => [mptcp.close?.reason, mptcp.stream.initiator.octets])).toEqual([
      ["fin", 1],
      ["fin", 2],
      ["fin", 3],
    ]);
  });

  it("for plain TCP: the session is replaced, the new connection is no session", () => {
    const talk = new Conversation().open().send(0, "one");
    const plain = new Conversation({ isn: [77, 88], atMicros: talk.atMicros });
    plain
      .segment(plain.initial, 0, SYN)
      .segment(plain.initial, 1, SYN | ACK)
      .segment(plain.initial, 0, ACK);
    const found = run([...talk.packets, ...plain.packets]);
    expect(only(found).mptcp.close?.reason).toBe("replaced");
    // The SYN alone takes nothing over: anybody could have sent it.
    expect(found.totals.packets["subflow/plain-tcp"]).toBe(2);
  });
});
