import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Side } from "../support/conversation.ts";
import { ACK, option, RST, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

const VERIFIED = { verdict: "verified" };
const FAILED = { verdict: "failed" };
const because = (unverifiable_reason: string) => ({ verdict: "unverifiable", unverifiable_reason });
const FOREIGN = Buffer.from("5a5a5a5a5a5a5a5a", "hex");

function mptcpOf({ packets }: Pick<Conversation, "packets">): SessionRecord["mptcp"] {
  const { records } = run(packets);
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]).mptcp;
}
const verdictsOf = (talk: Pick<Conversation, "packets">) => mptcpOf(talk).verdicts;

/** What one side sends of a conversation with this responder's address. */
const onlyOf = (side: Side, { packets }: Conversation) => ({
  packets: packets.filter(({ octets }) => (octets[13] === 1 ? 0 : 1) === side),
});

describe("verdicts of a session whose hosts do all as the RFCs say", () => {
  it.each([0, 1] as const)("version %i: everything that was said is verified", (version) => {
    const talk = new Conversation({ version }).open().send(0, "hello").send(1, "good day");
    talk.join();
    talk.join({
      opener: 1,
      ends: [
        { ip: "10.1.0.1", port: 41_000 },
        { ip: "10.2.9.9", port: 42_000 },
      ],
    });
    talk.segment(talk.initial, 0, ACK, [option.fastclose(talk.keys[1])]);
    talk.reset(1, talk.initial, [option.fastclose(talk.keys[0])]);
    expect(verdictsOf(talk)).toEqual({
      version: VERIFIED,
      key_echo: VERIFIED,
      token: { initiator: VERIFIED, responder: VERIFIED },
      idsn: { initiator: VERIFIED, responder: VERIFIED },
      fastclose: { initiator: VERIFIED, responder: VERIFIED },
    });
  });

  it("what nobody said is null, and data that was not sent leaves its IDSN unverifiable", () => {
    expect(verdictsOf(new Conversation().open())).toEqual({
      version: VERIFIED,
      key_echo: VERIFIED,
      token: { initiator: null, responder: null },
      idsn: { initiator: because("segment-not-seen"), responder: because("segment-not-seen") },
      fastclose: { initiator: null, responder: null },
    });
  });

  it("totals count them by check", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "good day").close();
    expect(run(talk.packets).totals.verdicts).toMatchObject({
      version: { verified: 1, failed: 0, unverifiable: 0 },
      "key-echo": { verified: 1, failed: 0, unverifiable: 0 },
      idsn: { verified: 2, failed: 0, unverifiable: 0 },
      token: { verified: 0, failed: 0, unverifiable: 0 },
      fastclose: { verified: 0, failed: 0, unverifiable: 0 },
    });
  });
});

describe("version (RFC 8684 §3.1)", () => {
  it("a responder that agrees to an older one than it was asked for", () => {
    const talk = new Conversation({ version: 0 });
    talk.segment(talk.initial, 0, SYN, [option.capable(1)]);
    talk.open(["syn-ack", "ack"]).send(0, "x");
    const { version, negotiation, verdicts } = mptcpOf(talk);
    expect({ version, asked: negotiation?.asked, agreed: negotiation?.agreed }).toEqual({
      version: 0,
      asked: 1,
      agreed: 0,
    });
    expect(verdicts?.version).toEqual(VERIFIED);
  });

  it("a responder that agrees to a newer one than it was asked for", () => {
    const talk = new Conversation({ version: 1 });
    talk.segment(talk.initial, 0, SYN, [option.capable(0, [talk.keys[0]])]);
    talk.open(["syn-ack", "ack"]).send(0, "x");
    expect(verdictsOf(talk)?.version).toEqual(FAILED);
  });

  it("an initiator that goes on with another one than the SYN/ACK's", () => {
    const talk = new Conversation({ version: 1 }).open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK, [option.capable(0, talk.keys)]).send(0, "x");
    expect(verdictsOf(talk)?.version).toEqual(FAILED);
  });

  it("one that no RFC knows is told as it is", () => {
    const talk = new Conversation().segment(new Conversation().initial, 0, SYN, [Buffer.from("1e040201", "hex")]);
    talk.open(["syn-ack", "ack"]).send(0, "x").send(1, "y");
    expect(mptcpOf(talk)).toMatchObject({ version: 1, negotiation: { asked: 2, agreed: 1 } });
  });

  it.each([
    ["SYN", ["syn-ack", "ack"], because("segment-not-seen")],
    ["third ACK", ["syn", "syn-ack"], VERIFIED],
  ] as const)("without the %s", (_, parts, expected) => {
    expect(verdictsOf(new Conversation().open(parts).send(0, "x").send(1, "y"))?.version).toEqual(expected);
  });

  it("flags by their names, H by what it meant in each version", () => {
    const talk = new Conversation();
    talk.segment(talk.initial, 0, SYN, [option.capable(1, [], [], 0xe1)]);
    talk
      .segment(talk.initial, 1, SYN | ACK, [option.capable(1, [talk.keys[1]], [], 0x1f)])
      .open(["ack"])
      .send(0, "x");
    expect(mptcpOf(talk).negotiation?.flags).toEqual({
      initiator: ["checksum-required", "extensibility", "no-joins-to-this-address", "hmac-sha256"],
      responder: ["reserved-d", "reserved-e", "reserved-f", "reserved-g", "hmac-sha256"],
    });
    const old = new Conversation({ version: 0 });
    old.segment(old.initial, 0, SYN, [option.capable(0, [old.keys[0]], [], 0x21)]).open(["syn-ack", "ack"]);
    expect(mptcpOf(old).negotiation?.flags).toEqual({
      initiator: ["reserved-c", "hmac-sha1"],
      responder: ["hmac-sha1"],
    });
  });
});

describe("key echo (RFC 8684 §3.1, RFC 6824 §3.1)", () => {
  it.each<[what: string, version: 0 | 1, make: (talk: Conversation) => Uint8Array[]]>([
    ["another key of the responder's", 1, ({ keys }) => [keys[0], FOREIGN]],
    ["another key of the initiator's than its SYN said", 0, ({ keys }) => [FOREIGN, keys[1]]],
  ])("a third ACK with %s", (_, version, make) => {
    const talk = new Conversation({ version }).open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK, [option.capable(version, make(talk))]).send(0, "x");
    expect(verdictsOf(talk)?.key_echo).toEqual(FAILED);
  });

  it("first data with other keys than the third ACK", () => {
    const talk = new Conversation().open();
    const first = option.capable(1, [FOREIGN, talk.keys[1]], [5]);
    talk.segment(talk.initial, 0, ACK, [first], Buffer.from("hello"));
    expect(verdictsOf(talk)?.key_echo).toEqual(FAILED);
  });

  it("in first data alone, where the third ACK was lost", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]);
    talk.segment(talk.initial, 0, ACK, [option.capable(1, talk.keys, [5])], Buffer.from("hello"));
    expect(verdictsOf(talk)?.key_echo).toEqual(VERIFIED);
  });

  it.each([
    [0, because("segment-not-seen")],
    [1, VERIFIED],
  ] as const)("without the SYN, which states a key in version 0 only: version %i", (version, expected) => {
    const talk = new Conversation({ version }).open(["syn-ack", "ack"]).send(0, "x").send(1, "y");
    expect(verdictsOf(talk)?.key_echo).toEqual(expected);
  });

  it.each([
    ["the third ACK was not seen", ["syn", "syn-ack"], because("segment-not-seen")],
    ["the SYN/ACK was not seen", ["syn", "ack"], because("segment-not-seen")],
  ] as const)("%s", (_, parts, expected) => {
    expect(verdictsOf(new Conversation().open(parts).send(0, "x").send(1, "y"))?.key_echo).toEqual(expected);
  });

  it("one direction alone", () => {
    const talk = new Conversation().open().send(0, "x").send(1, "y");
    expect(verdictsOf(onlyOf(0, talk))).toMatchObject({
      // Its third ACK states what the SYN/ACK must have said.
      version: VERIFIED,
      key_echo: because("one-direction"),
      idsn: { initiator: VERIFIED, responder: because("one-direction") },
    });
    expect(verdictsOf(onlyOf(1, talk))).toMatchObject({
      version: because("one-direction"),
      key_echo: because("one-direction"),
      idsn: { initiator: because("key-unknown"), responder: VERIFIED },
    });
  });

  it("copies that are cut inside the option", () => {
    const talk = new Conversation().open().send(0, "x").send(1, "y");
    // 40 octets of headers and 6 of the option.
    const packets = talk.packets.map((packet, i) =>
      i === 2 ? { ...packet, octets: packet.octets.subarray(0, 46) } : packet,
    );
    expect(verdictsOf({ packets })?.key_echo).toEqual(because("truncated"));
  });

  it("a session that fell back before has none", () => {
    const talk = new Conversation().open(["syn"]).segment(new Conversation().initial, 1, SYN | ACK);
    expect(verdictsOf(talk)).toMatchObject({
      version: null,
      key_echo: null,
      idsn: { initiator: null, responder: null },
    });
  });
});

describe("IDSN", () => {
  it.each([false, true])("first data elsewhere than the key says; DSN of 32 bits: %s", (narrow) => {
    const talk = new Conversation().open().send(0, "hello", { at: 1000, narrow }).send(1, "y", { narrow });
    expect(verdictsOf(talk)?.idsn).toEqual({ initiator: FAILED, responder: VERIFIED });
  });

  it.each([
    [2 ** 31, VERIFIED],
    [2 ** 33, because("segment-not-seen")],
  ])("first seen on a join, %i octets into the stream: so near that it is no chance, or not", (at, verdict) => {
    const talk = new Conversation().open();
    expect(verdictsOf(talk.send(0, "x", { on: talk.join(), at }))?.idsn.initiator).toEqual(verdict);
  });

  it("behind data that came with the MP_CAPABLE, and by a DATA_FIN alone", () => {
    const data = new Conversation().open(["syn", "syn-ack"]);
    data.segment(data.initial, 0, ACK, [option.capable(1, data.keys, [5])], Buffer.from("hello"));
    data.offset[0] = 5;
    expect(verdictsOf(data)?.idsn.initiator).toEqual(because("segment-not-seen"));
    data.send(0, " world");
    expect(verdictsOf(data)?.idsn.initiator).toEqual(VERIFIED);
    expect(verdictsOf(new Conversation().open().dataFin(1))?.idsn.responder).toEqual(VERIFIED);
    const narrow = new Conversation().open(["syn", "syn-ack"]);
    narrow.segment(narrow.initial, 0, ACK, [option.capable(1, narrow.keys, [5])], Buffer.from("hello"));
    narrow.offset[0] = 5;
    expect(verdictsOf(narrow.send(0, " world", { narrow: true }))?.idsn.initiator).toEqual(VERIFIED);
  });
});

describe("MP_FASTCLOSE (RFC 8684 §3.5)", () => {
  it.each([
    ["an ACK", ACK],
    ["a RST", RST],
  ])("with a key that is not the receiver's, on %s: failed, and the session goes on", (_, flags) => {
    const talk = new Conversation().open().send(0, "x");
    talk.segment(talk.initial, 0, flags, [option.fastclose(FOREIGN)]);
    const { verdicts, close } = mptcpOf(talk);
    expect(verdicts?.fastclose).toEqual({ initiator: FAILED, responder: null });
    expect(close?.reason).not.toBe("fastclose");
  });

  it.each([
    ["an ACK", ACK],
    ["a RST", RST],
  ])("with the receiver's, on %s: the session's end", (_, flags) => {
    const talk = new Conversation().open().send(0, "x");
    talk.segment(talk.initial, 1, flags, [option.fastclose(talk.keys[0])]);
    const { verdicts, close } = mptcpOf(talk);
    expect(verdicts?.fastclose).toEqual({ initiator: null, responder: VERIFIED });
    expect(close).toEqual({ reason: "fastclose", by: "responder" });
  });

  it("a right one does not hide that a wrong one came before, nor a wrong one the right one", () => {
    for (const keys of [
      [FOREIGN, null],
      [null, FOREIGN],
    ]) {
      const talk = new Conversation().open().send(0, "x");
      for (const key of keys) talk.segment(talk.initial, 0, ACK, [option.fastclose(key ?? talk.keys[1])]);
      const { verdicts, close } = mptcpOf(talk);
      expect(verdicts?.fastclose.initiator).toEqual(FAILED);
      expect(close?.reason).toBe("fastclose");
    }
  });

  it("where the key was not seen it is believed, and unverifiable", () => {
    const talk = new Conversation().open().send(1, "x");
    talk.segment(talk.initial, 1, ACK, [option.fastclose(talk.keys[0])]);
    const { verdicts, close } = mptcpOf(onlyOf(1, talk));
    expect(verdicts?.fastclose.responder).toEqual(because("key-unknown"));
    expect(close?.reason).toBe("fastclose");
  });
});
