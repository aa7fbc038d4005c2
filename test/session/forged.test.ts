import { describe, expect, it } from "vitest";
import { Conversation, type Side, type Subflow } from "../support/conversation.ts";
import { ACK, FIN, keys, option, RST, SYN } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";
import { bare, later } from "./forgery.ts";

/** The first session's initiator stream. */
function sent({ records, streams }: Run): string {
  const [record] = records;
  const id = record?.mptcp.session.id ?? "";
  return streams.of(id, 0, record?.mptcp.stream.initiator.octets ?? 0).toString();
}

describe("data of a join", () => {
  it("without any HMAC is not placed, and cannot displace the session's own", () => {
    const talk = new Conversation().open();
    const forged = bare();
    talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    talk.send(0, "EVIL!", { on: forged, at: 0 });
    talk.offset[0] = 0;
    const found = run(talk.send(0, "hello").close().packets);
    expect(sent(found)).toBe("hello");
    expect(found.records[0]?.mptcp.stream.initiator).toMatchObject({ octets: 5, complete: true });
    const [own, other] = found.records[0]?.mptcp.subflows.map(({ data }) => data?.initiator) ?? [];
    expect(own).toMatchObject({ octets: 5, share: 1 });
    expect(own).not.toHaveProperty("refused_octets");
    expect(other).toMatchObject({ octets: 5, share: null, refused_octets: 5 });
  });

  it("that nothing ever proves does not make the session's own stream incomplete", () => {
    const talk = new Conversation().open().send(0, "hello");
    const forged = bare();
    talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    talk.segment(forged, 1, SYN | ACK, [option.joinSynAck(keys.hmac(1, talk.keys[1], talk.keys[0], 9, 1), 9, 2)]);
    // What is held is given up in time.
    talk.send(0, "EVIL!", { on: forged, at: 0 }).wait(11).send(0, "EVIL?", { on: forged, at: 0 });
    talk.offset[0] = 5;
    const [record] = run(talk.close().packets).records;
    expect(record?.mptcp.stream.initiator).toMatchObject({ octets: 5, missing_octets: 0, complete: true });
  });

  it("before a wrong third ACK is not placed either", () => {
    const talk = new Conversation().open();
    const forged = bare();
    talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    const answer = keys.hmac(1, talk.keys[1], talk.keys[0], 9, 1);
    talk.segment(forged, 1, SYN | ACK, [option.joinSynAck(answer, 9, 2)]);
    talk.send(0, "EVIL!", { on: forged, at: 0 });
    talk.segment(forged, 0, ACK, [option.joinAck(Buffer.alloc(20, 5))]);
    talk.offset[0] = 0;
    expect(sent(run(talk.send(0, "hello").close().packets))).toBe("hello");
  });

  it("that overtook its third ACK is placed when that comes", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    const ack = talk.packets.pop();
    talk.send(0, "early ", { on: joined });
    if (ack !== undefined) talk.packets.push({ ...ack, atMicros: talk.atMicros });
    const found = run(talk.send(0, "late", { on: joined }).close(talk.initial, joined).packets);
    expect(sent(found)).toBe("early late");
    expect(found.records[0]?.mptcp.stream.initiator.complete).toBe(true);
  });

  it("whose listener answered without MP_JOIN is not placed, whatever comes in the listener's name", () => {
    const talk = new Conversation().open().send(0, "honest");
    const joined = talk.join();
    const [syn] = talk.packets.splice(-3);
    if (syn !== undefined) talk.packets.push(syn);
    Object.assign(joined.next, [1, 1]);
    talk.segment(joined, 1, SYN | ACK);
    talk.send(0, "EVIL!!", { on: joined, at: 0 });
    for (let n = 0; n < 4; n++) talk.segment(joined, 1, ACK, [option.dss({ ack: talk.dsn(0, 6) })]);
    const [record] = run(talk.close(talk.initial, joined).packets).records;
    expect(record?.mptcp.stream.initiator).toMatchObject({ octets: 6, conflicting: 0, complete: true });
  });

  it("whose third ACK was not seen is placed once the listener goes on answering at data level", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.packets.pop();
    talk.send(0, "held ", { on: joined }).send(1, "answer", { on: joined }).send(0, "on", { on: joined });
    talk.send(1, "another", { on: joined }).send(1, "third", { on: joined });
    const found = run(talk.close(talk.initial, joined).packets);
    expect(sent(found)).toBe("held on");
    expect(found.records[0]?.mptcp.subflows[1]?.join?.hmac).toEqual({
      initiator: "unverifiable",
      responder: "verified",
    });
  });

  it.each([64, 1])("that the listener answered before it was reset is placed, in vectors of %i packets", (batch) => {
    const answered = (talk: Conversation, reset: Side): Conversation => {
      const on = talk.join();
      talk.packets.pop();
      talk.send(0, "hello", { on });
      if (reset === 1) talk.segment(on, 1, RST);
      for (const text of ["one", "two", "three"]) talk.send(1, text, { on });
      return reset === 0 ? talk.segment(on, 0, RST) : talk;
    };
    const [before, behind] = ([0, 1] as const).map((reset) =>
      sent(run(answered(new Conversation().open(), reset).packets, {}, batch)),
    );
    expect([before, behind]).toEqual(["hello", ""]);
  });
});

describe("a join that overtakes parts of its session's handshake", () => {
  it.each([1, 2, 3])("the first %i segments of the handshake come before it, the rest after its data", (seen) => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    const joined = talk.join();
    talk.send(0, "early ", { on: joined }).send(1, "answer", { on: joined });
    const early = talk.packets.splice(0);
    talk.send(0, "late").close(talk.initial, joined);
    const packets = [...handshake.slice(0, seen), ...early, ...handshake.slice(seen), ...talk.packets];
    const found = run(packets.map((packet, n) => ({ ...packet, atMicros: talk.atMicros + n })));
    expect(sent(found)).toBe("early late");
    expect(found.records).toHaveLength(1);
    expect(found.records[0]?.mptcp.stream).toMatchObject({
      initiator: { complete: true },
      responder: { complete: true },
    });
    expect(found.records[0]?.mptcp.subflows[1]?.join?.hmac).toEqual({ initiator: "verified", responder: "verified" });
  });
});

describe("what somebody sends first", () => {
  it("a wrong SYN/ACK of a join does not disable the right one", () => {
    const talk = new Conversation().open();
    const joined = bare();
    talk.segment(joined, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    talk.segment(joined, 1, SYN | ACK, [option.joinSynAck(Buffer.alloc(8, 1), 5, 3)]);
    talk.segment(joined, 1, SYN | ACK, [option.joinSynAck(keys.hmac(1, talk.keys[1], talk.keys[0], 9, 1), 9, 2)]);
    talk.segment(joined, 0, ACK, [option.joinAck(keys.hmac(1, talk.keys[0], talk.keys[1], 1, 9))]);
    const found = run(talk.send(0, "hello", { on: joined }).close(talk.initial, joined).packets);
    expect(sent(found)).toBe("hello");
    expect(found.records[0]?.mptcp.subflows[1]).toMatchObject({
      join: { hmac: { initiator: "verified", responder: "verified" } },
      address_id: { initiator: 1, responder: 2 },
    });
  });

  it("a repeated SYN of a join with other numbers changes nothing", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.segment(joined, 0, SYN, [option.joinSyn(0x12345678, 0xdead, 4)]);
    expect(run(talk.packets).records[0]?.mptcp.subflows[1]?.address_id).toEqual({ initiator: 1, responder: 2 });
  });
});

describe("the end of a session that closed in order", () => {
  it.each<[name: string, add: (talk: Conversation) => void]>([
    [
      "while a join was never answered",
      (talk) => talk.segment(bare(), 0, SYN, [option.joinSyn(talk.token(1), 7, 1)]).close(),
    ],
    [
      "when a FIN was lost",
      (talk) =>
        talk
          .dataFin(0)
          .dataFin(1)
          .segment(talk.initial, 0, FIN | ACK),
    ],
    ["when a refused join closed too", (talk) => talk.close(talk.initial, talk.join({ wrong: "opener" }))],
  ])("%s is told soon", (_, add) => {
    const talk = new Conversation().open().send(0, "abc").send(1, "de");
    add(talk);
    const end = talk.atMicros;
    const { records } = run([...talk.packets, ...later(talk, 20)]);
    expect(records.map(({ mptcp }) => mptcp.close)).toEqual([{ reason: "fin", by: "both" }]);
    expect(Date.parse(records[0]?.["@timestamp"] ?? "")).toBeLessThan(end / 1000 + 12_000);
  });

  it("one packet from far ahead does not stop the clock", () => {
    const talk = new Conversation().open().send(0, "abc").close();
    const [ahead] = later(new Conversation({ atMicros: 4.2e15 }), 0);
    const packets = [...talk.packets, ...(ahead === undefined ? [] : [ahead]), ...later(talk, 5), ...later(talk, 5)];
    expect(run(packets, {}, 1).records[0]?.mptcp.close).toEqual({ reason: "fin", by: "both" });
  });
});

describe("what one packet can make us do", () => {
  it("a third ACK that comes again makes no record", () => {
    const talk = new Conversation().open().send(0, "x");
    talk.join();
    const ack = talk.packets.at(-1);
    for (let n = 0; n < 50 && ack !== undefined; n++)
      talk.packets.push({ ...ack, atMicros: talk.atMicros + n * 3_000_000 });
    expect(run(talk.packets, { revisions: "all" }).records.length).toBeLessThan(6);
  });

  it("announcements beyond the bound make no records, and those within it not one each", () => {
    const talk = new Conversation().open().send(0, "x");
    for (let n = 0; n < 1000; n++) {
      talk.segment(talk.initial, 1, ACK, [option.addAddr(1, n % 256, `10.9.${n >> 8}.${n & 255}`)]);
    }
    const { records } = run(talk.packets, { revisions: "all" });
    expect(records.length).toBeLessThan(40);
    expect(records.at(-1)?.rejoin?.shed).toEqual({ addresses: 968 });
  });

  it("sessions beyond the bound on one token are not found by it", () => {
    const sessions = Array.from({ length: 20 }, (_, n) => {
      const ends = [
        { ip: `10.1.0.${n + 1}`, port: 1000 + n },
        { ip: `10.2.0.${n + 1}`, port: 443 },
      ] as const;
      return new Conversation({ ends, isn: [100 + n, 200 + n] }).open().send(0, "x");
    });
    for (const [n, talk] of sessions.entries()) {
      talk.join({ ends: [{ ip: "10.3.0.1", port: 2000 + n }, talk.initial.ends[1]] });
    }
    const { records } = run(sessions.flatMap(({ packets }) => packets));
    const found = records.filter(({ mptcp }) => mptcp.session.evidence === "handshake");
    expect(found).toHaveLength(20);
    expect(found.filter(({ mptcp }) => mptcp.subflows.length === 1)).toHaveLength(4);
  });
});

describe("options of a join", () => {
  /** MP_PRIO, ADD_ADDR, REMOVE_ADDR and MP_FAIL, each in a segment of its own. */
  function say(talk: Conversation, on: Subflow): void {
    talk.segment(on, 0, ACK, [option.prio(true)]);
    talk.segment(on, 0, ACK, [Buffer.from("1e1030070a0909090102030405060708", "hex")]);
    talk.segment(on, 0, ACK, [Buffer.from("1e044009", "hex")]);
    talk.segment(on, 0, ACK, [option.fail(talk.dsn(1, 0))]);
  }

  it.each([true, false])("that nothing proves, a wrong third ACK sent: %s, say nothing of the session", (hasAck) => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const forged = bare();
    talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 1, 1)]);
    if (hasAck) {
      const answer = keys.hmac(1, talk.keys[1], talk.keys[0], 9, 1);
      talk.segment(forged, 1, SYN | ACK, [option.joinSynAck(answer, 9, 2)]);
      talk.segment(forged, 0, ACK, [option.joinAck(Buffer.alloc(20, 5))]);
    }
    say(talk, forged);
    const [record] = run(talk.send(0, "w").close().packets).records;
    expect(record?.mptcp.addresses).toEqual([]);
    expect(record?.mptcp.mp_fail).toBeUndefined();
    expect(record?.mptcp.subflows.map(({ priority }) => priority)).toEqual([undefined, undefined]);
    expect(record?.mptcp.options).toEqual({ malformed: 0, unknown: [], unproven: 4 });
  });

  it("that is proven are taken", () => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const joined = talk.join();
    say(talk, joined);
    const [record] = run(talk.send(0, "w").close(talk.initial, joined).packets).records;
    expect(record?.mptcp.addresses).toHaveLength(2);
    expect(record?.mptcp.mp_fail).toHaveLength(1);
    expect(record?.mptcp.subflows[1]?.priority).toHaveLength(1);
    expect(record?.mptcp.options).toBeUndefined();
  });
});
