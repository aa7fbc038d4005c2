import { describe, expect, it, vi } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { StreamRanges } from "../../src/reassembly/stream-ranges.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { ACK, option, SYN } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const JOIN = [
  { ip: "10.1.9.1", port: 50_000 },
  { ip: "10.2.0.2", port: 443 },
] as const;

/** Without what the listener of the join sent. */
const withoutListener = (packets: readonly RunPacket[]): RunPacket[] =>
  packets.filter(({ octets }) => Buffer.from(octets).readUInt16BE(22) !== JOIN[0].port);

describe("a join of which only the opener's direction was seen", () => {
  it("is believed once the other side acknowledges what it brought and nobody else did", () => {
    const talk = new Conversation().open().send(0, "one ");
    const on = talk.join({ ends: JOIN });
    talk.send(0, "two ", { on }).send(1, "answer").wait(1).send(0, "three ", { on }).send(0, "four").send(1, "!");
    const found = run(withoutListener(talk.close(talk.initial, on).packets));
    const { mptcp } = sessionRecord.parse(found.records[0]);
    expect(found.streams.of(mptcp.session.id, 0, 18).toString()).toBe("one two three four");
    expect(mptcp.stream.initiator).toMatchObject({ octets: 18, complete: true });
    expect(mptcp.subflows[1]?.join).toEqual({
      hmac: { initiator: "unverifiable", responder: "unverifiable" },
      unverifiable_reason: "one-direction",
    });
    expect(found.records[0]?.rejoin).toBeUndefined();
  });

  it.each<[name: string, parts: readonly ("syn" | "ack")[], forge: (talk: Conversation, on: Subflow) => void]>([
    ["nobody acknowledged", ["syn", "ack"], (talk, on) => talk.send(0, "EVIL", { on })],
    [
      "that answers its own",
      ["syn", "ack"],
      (talk, on) => talk.send(0, "EVIL", { on }).send(0, "good", { at: 0 }).send(1, "ok"),
    ],
    [
      "beyond what was acknowledged",
      ["syn", "ack"],
      (talk, on) => talk.send(0, "good").send(1, "ok").send(0, "EVIL", { on }).wait(1).send(0, "", { at: 4 }),
    ],
    ["without a third ACK", ["syn"], (talk, on) => talk.send(0, "EVIL", { on }).send(1, "ok")],
  ])("%s places nothing", (_, parts, forge) => {
    const talk = new Conversation().open();
    const on: Subflow = { ends: JOIN, opener: 0, isn: [7, 8], next: [1, 1] };
    talk.segment(on, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    if (parts.includes("ack")) talk.segment(on, 0, ACK, [option.joinAck(Buffer.alloc(20, 5))]);
    forge(talk, on);
    const found = run(talk.packets);
    const { mptcp } = sessionRecord.parse(found.records[0]);
    expect(found.streams.of(mptcp.session.id, 0, 8).toString()).not.toMatch("EVIL");
    expect(mptcp.subflows[1]?.join?.hmac.initiator).toBe("unverifiable");
  });
});

describe("what waits of a join of which only the opener's direction was seen", () => {
  /** How often what was seen is searched while this much waits and so many tenths of a second pass. */
  const searches = (held: number, tenths: number): number => {
    const talk = new Conversation().open();
    const on: Subflow = { ends: JOIN, opener: 0, isn: [7, 8], next: [1, 1] };
    talk.segment(on, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    talk.segment(on, 0, ACK, [option.joinAck(Buffer.alloc(20, 5))]);
    talk.send(0, "good", { at: 10 });
    for (let n = 0; n < held; n++) talk.send(0, "EVIL", { on, at: 10 });
    talk.send(1, "all of it is acknowledged");
    // Segments that say nothing new: packet time passes.
    for (let n = 0; n < tenths; n++) talk.wait(0.1).send(1, "again", { at: 0 });
    const spy = vi.spyOn(StreamRanges.prototype, "overlaps");
    try {
      run(talk.packets, {}, 1);
      return spy.mock.calls.length;
    } finally {
      spy.mockRestore();
    }
  };

  it("is looked at again only when more is acknowledged or waits", () => {
    const once = searches(5, 2);
    expect(once).toBeGreaterThanOrEqual(5);
    expect(searches(5, 40)).toBe(once);
  });
});

describe("a join whose handshake comes long after it", () => {
  it("has both verdicts, though its packets were not held so long", () => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    const on = talk.join({ ends: JOIN });
    talk.send(0, "x", { on }).wait(30);
    for (const packet of handshake) talk.packets.push({ ...packet, atMicros: talk.atMicros++ });
    const { records } = run(talk.packets, { partial: false }, 1);
    expect(records[0]?.mptcp.subflows[1]?.join?.hmac).toEqual({ initiator: "verified", responder: "verified" });
    expect(records[0]?.rejoin?.shed?.octets).toBe(1);
  });

  it("has both, too, where a part of the handshake came before it", () => {
    const talk = new Conversation().open();
    const [ack] = talk.packets.splice(2);
    const on = talk.join({ ends: JOIN });
    talk.send(0, "x", { on }).wait(30);
    if (ack !== undefined) talk.packets.push({ ...ack, atMicros: talk.atMicros });
    // What lets time pass before the third ACK comes: of a flow that is nobody's.
    const [syn] = new Conversation({ ends: [JOIN[1], JOIN[0]], atMicros: talk.atMicros - 1 }).open(["syn"]).packets;
    if (syn !== undefined) talk.packets.splice(-1, 0, syn);
    const { records } = run(talk.packets, { partial: false }, 1);
    expect(records[0]?.mptcp.subflows[1]?.join?.hmac).toEqual({ initiator: "verified", responder: "verified" });
    expect(records[0]?.rejoin?.shed?.octets).toBe(1);
  });

  it.each([
    [2, ["verified", "verified"]],
    [1, ["unverifiable", "verified"]],
  ])("of %i third ACKs that are kept, the newest joins have theirs", (thirdAcks, verdicts) => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    for (const n of [1, 2]) talk.join({ ends: [{ ip: "10.1.9.1", port: 50_000 + n }, JOIN[1]], nonces: [n, n + 2] });
    talk.wait(30);
    for (const packet of handshake) talk.packets.push({ ...packet, atMicros: talk.atMicros++ });
    const bounds = { sessions: 16, subflows: 16, thirdAcks };
    const { records } = run(talk.packets, { partial: false, bounds }, 1);
    const joins = records[0]?.mptcp.subflows.flatMap(({ join }) => join ?? []);
    expect(joins?.map(({ hmac }) => hmac.initiator)).toEqual(verdicts);
  });

  it.each([
    [5, { octets: 4, shed: undefined }],
    [4, { octets: 2, shed: 2 }],
  ])("of its packets %i are held; octets of others are shed", (heldPackets, told) => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    const on = talk.join({ ends: JOIN });
    talk.send(0, "ab", { on }).send(0, "cd", { on });
    for (const packet of handshake) talk.packets.push({ ...packet, atMicros: talk.atMicros++ });
    const { records } = run(talk.packets, { partial: false, bounds: { sessions: 16, subflows: 16, heldPackets } }, 1);
    const { mptcp, rejoin } = sessionRecord.parse(records[0]);
    expect({ octets: mptcp.stream.initiator.octets, shed: rejoin?.shed?.octets }).toEqual(told);
  });
});

describe("a handshake that somebody repeats after the session has ended", () => {
  it("is another session, with another id", () => {
    const talk = new Conversation().open().send(0, "first").close();
    const again = new Conversation({ atMicros: talk.atMicros + 100e6 }).open().send(0, "forged").close();
    const { records } = run([...talk.packets, ...again.packets], {}, 1);
    const ids = records.map(({ mptcp }) => mptcp.session.id);
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toBe(run(talk.packets).records[0]?.mptcp.session.id);
    for (const record of records) sessionRecord.parse(record);
  });

  it.each([0, 1])(
    "on the same addresses with new keys, three times in a row, are four sessions (%i s apart)",
    (seconds) => {
      const first = new Conversation();
      const talks = [0, 1, 2, 3].map((n) => {
        const made = new Conversation({
          keys: [Buffer.alloc(8, n + 1), Buffer.alloc(8, n + 11)],
          isn: [n * 1e7, n * 2e7],
          atMicros: first.atMicros + n * (100_000 + seconds * 1e6),
        });
        return made.open().send(0, `of ${n}`).close();
      });
      const found = run(talks.flatMap(({ packets }) => packets));
      expect(found.records.map(({ mptcp }) => mptcp.stream.initiator)).toMatchObject(
        talks.map(() => ({ octets: 4, complete: true })),
      );
      expect(new Set(found.records.map(({ mptcp }) => mptcp.session.id)).size).toBe(4);
    },
  );
});
