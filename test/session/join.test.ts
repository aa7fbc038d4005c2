import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Conversation, type JoinShape } from "../support/conversation.ts";
import { RST } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const only = ({ records }: Run): SessionRecord => {
  expect(records).toHaveLength(1);
  const [record] = records;
  if (record === undefined) throw new Error("no record");
  return record;
};

const BOTH = { initiator: "verified", responder: "verified" };

describe("MP_JOIN", () => {
  it.each([
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ] as const)(
    "version %i, opened by side %i: both HMACs verified, octets of both subflows in one stream",
    (version, opener) => {
      const talk = new Conversation({ version }).open().send(0, "one ").send(1, "uno ");
      const second = talk.join({ opener });
      talk.send(0, "two ", { on: second }).send(1, "dos ", { on: second }).send(0, "three").send(1, "tres");
      const found = run(talk.close(talk.initial, second).packets);
      const { mptcp } = only(found);
      expect(found.streams.of(mptcp.session.id, 0, 13).toString()).toBe("one two three");
      expect(found.streams.of(mptcp.session.id, 1, 12).toString()).toBe("uno dos tres");
      expect(mptcp.subflows).toMatchObject([
        { id: 0, kind: "initial", join: null, address_id: { initiator: 0, responder: 0 } },
        {
          id: 1,
          kind: "joined",
          opener: opener === 0 ? "initiator" : "responder",
          source: second.ends[opener],
          join: { hmac: BOTH },
          address_id: opener === 0 ? { initiator: 1, responder: 2 } : { initiator: 2, responder: 1 },
          backup: false,
          close: { reason: "fin" },
        },
      ]);
      expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
      expect(found.totals.verdicts["join-hmac"]).toEqual({ verified: 2, failed: 0, unverifiable: 0 });
    },
  );

  it("the backup bit is the subflow's", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.join({ backup: true });
    expect(only(run(talk.packets)).mptcp.subflows.map(({ backup }) => backup)).toEqual([false, true]);
  });

  it.each([
    ["opener", 0, { initiator: "failed", responder: "verified" }],
    ["listener", 0, { initiator: "verified", responder: "failed" }],
    ["opener", 1, { initiator: "verified", responder: "failed" }],
    ["listener", 1, { initiator: "failed", responder: "verified" }],
  ] as const)(
    "a wrong HMAC of the %s (opened by side %i) is failed, and its octets are not the session's",
    (wrong, opener, hmac) => {
      const talk = new Conversation().open().send(0, "honest");
      const shape: JoinShape = { wrong, opener };
      const second = talk.join(shape);
      talk.send(0, "FORGED", { on: second }).reset(1, second);
      const found = run(talk.packets);
      const { mptcp } = only(found);
      expect(mptcp.subflows[1]?.join).toEqual({ hmac });
      expect(mptcp.stream.initiator.octets).toBe(6);
      expect(found.streams.of(mptcp.session.id, 0, 12).subarray(0, 6).toString()).toBe("honest");
      expect(found.totals.packets["session/join-refused"]).toBe(1);
      expect(found.totals.verdicts["join-hmac"]?.failed).toBe(1);
    },
  );

  it("forged octets for a place that is still empty do not take it", () => {
    const talk = new Conversation().open();
    const second = talk.join({ wrong: "opener" });
    talk.send(0, "FORGED", { on: second, at: 0 });
    talk.offset[0] = 0;
    talk.send(0, "honest").close();
    const found = run(talk.packets);
    const { mptcp } = only(found);
    expect(found.streams.of(mptcp.session.id, 0, 6).toString()).toBe("honest");
  });

  it("the third ACK not seen: the opener's HMAC cannot be verified, and the record says why", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.join();
    const { mptcp } = only(run(talk.packets.slice(0, -1)));
    expect(mptcp.subflows[1]?.join).toEqual({
      hmac: { initiator: "unverifiable", responder: "verified" },
      unverifiable_reason: "segment-not-seen",
    });
  });

  it("the SYN/ACK not seen: one direction", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.join();
    talk.packets.splice(-2, 1);
    expect(only(run(talk.packets)).mptcp.subflows[1]?.join).toEqual({
      hmac: { initiator: "unverifiable", responder: "unverifiable" },
      unverifiable_reason: "one-direction",
    });
  });

  it.each([
    ["SYN/ACK", 2, { initiator: "unverifiable", responder: "unverifiable" }],
    ["third ACK", 1, { initiator: "unverifiable", responder: "verified" }],
  ] as const)("the copy of the %s cut inside the option: truncated", (_, fromLast, hmac) => {
    const talk = new Conversation().open().send(0, "x");
    talk.join();
    const cut = talk.packets.length - fromLast;
    // 40 octets of headers and 6 of the option.
    const packets = talk.packets.map((one, i) => (i === cut ? { ...one, octets: one.octets.subarray(0, 46) } : one));
    expect(only(run(packets)).mptcp.subflows[1]?.join).toEqual({ hmac, unverifiable_reason: "truncated" });
  });

  it("the SYN/ACK lost among others of its direction: that segment was not seen", () => {
    const talk = new Conversation().open().send(0, "x");
    const on = talk.join();
    talk.packets.splice(-2, 1);
    talk.send(1, "y", { on });
    expect(only(run(talk.packets)).mptcp.subflows[1]?.join).toEqual({
      hmac: { initiator: "unverifiable", responder: "unverifiable" },
      unverifiable_reason: "segment-not-seen",
    });
  });

  it("only one key known: the HMACs cannot be verified", () => {
    const talk = new Conversation().open(["syn", "syn-ack"]).send(0, "x");
    talk.join();
    expect(only(run(talk.packets)).mptcp.subflows[1]?.join).toEqual({
      hmac: { initiator: "unverifiable", responder: "unverifiable" },
      unverifiable_reason: "key-unknown",
    });
  });
});

describe("joins of sessions that are not known", () => {
  it("are orphans: left out, and counted, unless partial records are asked for", () => {
    const talk = new Conversation();
    const second = talk.join();
    talk.send(0, "x", { on: second });
    const silent = run(talk.packets, { partial: false });
    expect(silent.records).toEqual([]);
    expect(silent.totals.packets).toEqual({ "session/orphan-join": 4 });
    expect(silent.totals.sessions.partial).toBe(1);
    const { mptcp } = only(run(talk.packets));
    expect(mptcp.session.evidence).toBe("orphan");
    expect(mptcp.token).toEqual({
      initiator: null,
      responder: `0x${talk.token(1).toString(16).padStart(8, "0")}`,
    });
    expect(mptcp.subflows[0]?.join?.unverifiable_reason).toBe("no-handshake");
  });

  it("are adopted when the handshake comes later, and verified then", () => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    const second = talk.join();
    const joining = talk.packets.splice(0);
    talk.send(0, "one ").send(0, "two", { on: second }).close(talk.initial, second);
    const found = run([...joining, ...handshake, ...talk.packets]);
    const { mptcp } = only(found);
    expect(mptcp.session.evidence).toBe("handshake");
    expect(mptcp.subflows.map(({ kind }) => kind).sort()).toEqual(["initial", "joined"]);
    expect(mptcp.subflows.find(({ kind }) => kind === "joined")?.join?.hmac.responder).toBe("verified");
    expect(found.streams.of(mptcp.session.id, 0, 7).toString()).toBe("one two");
    expect(mptcp.stream.initiator).toMatchObject({ octets: 7, complete: true });
    const direct = new Conversation().open();
    expect(mptcp.session.id).toBe(only(run(direct.send(0, "x").packets)).mptcp.session.id);
  });

  it("more of them than a session takes: the rest is told in the record, and leaves nothing behind", () => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    for (let n = 0; n < 300; n++) {
      const ends = [
        { ip: "10.1.9.1", port: 1000 + n },
        { ip: "10.2.0.2", port: 443 },
      ] as const;
      talk.join({ nonces: [n, n + 1000], ends });
    }
    const joins = talk.packets.splice(0);
    talk.send(0, "x").close();
    // All of the table is needed again by the next session, whose octets must be its own.
    const next = new Conversation({
      keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)],
      isn: [5, 6],
      atMicros: talk.atMicros,
    });
    next.open().send(0, "next");
    const bounds = { sessions: 64, subflows: 301 };
    const { records } = run([...joins, ...handshake, ...talk.packets, ...next.packets], { bounds }, 1);
    const whole = records.filter(({ mptcp }) => mptcp.session.evidence === "handshake");
    expect(whole.map(({ mptcp }) => mptcp.stream.initiator.octets)).toEqual([1, 4]);
    expect(whole[0]?.mptcp.subflows).toHaveLength(256);
  });

  it("a packet of a subflow whose SYN was not seen is midstream", () => {
    const talk = new Conversation().open().send(0, "a").send(0, "b");
    const found = run(talk.packets.slice(3));
    expect(found.totals.packets).toEqual({ "session/midstream": 2 });
    expect(only(found).mptcp.session.evidence).toBe("midstream");
    expect(run(talk.packets.slice(3), { partial: false }).records).toEqual([]);
  });

  it("a bare RST of a flow nobody knows is plain TCP", () => {
    const talk = new Conversation();
    talk.segment(talk.initial, 0, RST);
    expect(run(talk.packets).totals.packets).toEqual({ "subflow/plain-tcp": 1 });
  });
});
