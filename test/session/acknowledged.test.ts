import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, FIN, keys, option, PSH, SYN } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

/** With octets wanted and without: the session stage has a short way where nobody wants them. */
const WAYS = [{}, { octets: null, digest: false }] as const;

const streams = (packets: readonly RunPacket[], options: (typeof WAYS)[number]) => {
  const { records } = run(packets, options);
  expect(records).toHaveLength(1);
  return sessionRecord.parse(records[0]).mptcp.stream;
};

/** An acknowledgment at data level of so many octets of the initiator's stream. */
const ack = (talk: Conversation, octets: number, isNarrow = false) => {
  const dsn = talk.dsn(0, octets);
  return talk.segment(talk.initial, 1, ACK, [option.dss({ ack: isNarrow ? Number(BigInt.asUintN(32, dsn)) : dsn })]);
};

describe.each(WAYS)("what was acknowledged", (options) => {
  it("and no agent saw: octets and share", () => {
    const talk = new Conversation().open();
    for (let n = 0; n < 10; n++) talk.send(0, Buffer.alloc(100, n));
    ack(talk, 500);
    ack(talk, 1000);
    ack(talk, 800);
    // Segments 3, 6 and 9 went where nobody watches; the last was not acknowledged anyway.
    const packets = talk.packets.filter((_, n) => ![5, 8].includes(n));
    expect(streams(packets, options)).toMatchObject({
      initiator: { octets: 800, acknowledged: 1000, unseen_octets: 200, unseen_share: 0.2 },
      responder: { acknowledged: 0, unseen_octets: 0, unseen_share: 0 },
    });
  });

  it("beyond what was seen, and less than was seen", () => {
    const ahead = new Conversation().open().send(0, "seen");
    expect(streams(ack(ahead, 4000).packets, options).initiator).toMatchObject({
      ...{ acknowledged: 4000, unseen_octets: 3996, unseen_share: 0.999 },
    });
    const behind = new Conversation().open().send(0, "0123").send(0, "89ab", { at: 8 });
    expect(streams(ack(behind, 6).packets, options).initiator).toMatchObject({ acknowledged: 6, unseen_octets: 2 });
  });

  it("not by payload behind a DSS that is too short for the data ACK that its flags promise", () => {
    const talk = new Conversation().open().send(0, "seen");
    ack(talk, 4);
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(Number(BigInt.asUintN(32, talk.dsn(0, 5000))));
    // A second one, without anything, is a DSS that counts.
    const [cut, empty] = [Buffer.of(30, 4, 0x20, 0x03), Buffer.of(30, 4, 0x20, 0x00)];
    talk.segment(talk.initial, 1, ACK | PSH, [cut, empty], payload);
    expect(streams(talk.packets, options).initiator).toMatchObject({ acknowledged: 4, unseen_octets: 0 });
  });

  it.each([true, false])("over both directions of the wrap of the low 32 bits (32-bit ACKs: %s)", (isNarrow) => {
    let key = Buffer.alloc(8);
    for (let n = 0; Number(BigInt.asUintN(32, keys.idsn(key, 1))) < 2 ** 32 - 2 ** 22; n++) key.writeUInt32BE(n, 4);
    key = Buffer.from(key);
    const talk = new Conversation({ keys: [key, Buffer.alloc(8, 9)] }).open();
    const size = 2 ** 14;
    for (let n = 1; n <= 300; n++) {
      talk.send(0, Buffer.alloc(size));
      ack(talk, n * size, isNarrow);
      // An old one, late: from before the wrap when the newest is behind it.
      ack(talk, (n - 1) * size, isNarrow);
    }
    expect(streams(talk.packets, options).initiator).toMatchObject({ acknowledged: 300 * size, unseen_octets: 0 });
  });

  it("of more than 4 GiB is counted whole", () => {
    const talk = new Conversation().open().send(0, "begin");
    const step = 2 ** 29;
    for (let n = 1; n <= 20; n++) ack(talk, n * step, n % 2 === 0);
    expect(streams(talk.packets, options).initiator).toMatchObject({
      ...{ acknowledged: 20 * step, unseen_octets: 20 * step - 5 },
    });
  });

  it("far beyond any window is made up, and changes nothing", () => {
    const talk = new Conversation().open().send(0, "seen");
    ack(talk, 4);
    ack(talk, 2 ** 40);
    ack(talk, 2 ** 30 + 5, true);
    expect(streams(talk.packets, options).initiator).toMatchObject({ acknowledged: 4, unseen_octets: 0 });
  });

  it("on a join that nobody proved is not believed", () => {
    const talk = new Conversation().open().send(0, "seen");
    ack(talk, 4);
    const forged = talk.join({ wrong: "opener" });
    talk.segment(forged, 1, ACK, [option.dss({ ack: talk.dsn(0, 4000) })]);
    expect(streams(talk.packets, options).initiator.acknowledged).toBe(4);
  });

  it("the end of a stream is no octet of it", () => {
    const talk = new Conversation().open().send(0, "all").dataFin(0);
    ack(talk, 4);
    expect(streams(talk.packets, options).initiator).toMatchObject({ acknowledged: 3, unseen_octets: 0 });
  });

  it("after a fallback by TCP's own numbers", () => {
    const talk = new Conversation().open().send(0, "one ");
    const mapping = { ack: talk.dsn(1, 0), dsn: talk.dsn(0, 4), ssn: 5, length: 0 };
    talk.segment(talk.initial, 0, ACK | PSH, [option.dss(mapping)], Buffer.from("two "));
    talk.segment(talk.initial, 0, ACK | PSH, [], Buffer.from("lost"));
    talk.segment(talk.initial, 0, ACK | FIN, [], Buffer.from("end"));
    talk.segment(talk.initial, 1, ACK);
    talk.packets.splice(5, 1);
    expect(streams(talk.packets, options).initiator).toMatchObject({
      ...{ octets: 11, acknowledged: 15, unseen_octets: 4 },
    });
  });

  it("after a fallback not by the numbers of a side that may have to send again what another subflow lost", () => {
    const sent = (isLost: boolean, acked: number) => {
      const talk = new Conversation().open().send(0, "one ").send(1, "uno ");
      const joined = talk.join();
      // Of the responder's stream [4, 8) goes where nobody watches, and what follows it comes on the joined subflow.
      talk.send(1, "dos ");
      if (isLost) talk.packets.pop();
      talk.send(1, "tres", { on: joined }).reset(0);
      const mapping = { ack: talk.dsn(1, acked), dsn: talk.dsn(0, 4), ssn: 1, length: 0 };
      talk.segment(joined, 0, ACK | PSH, [option.dss({ ack: talk.dsn(1, acked) })]);
      talk.segment(joined, 0, ACK | PSH, [option.dss(mapping)], Buffer.from("two "));
      return streams(talk.segment(joined, 0, ACK).packets, options).responder;
    };
    expect(sent(true, 0)).toMatchObject({ octets: 8, acknowledged: 0, unseen_octets: 0 });
    expect(sent(true, 4)).toMatchObject({ octets: 8, acknowledged: 4, unseen_octets: 0 });
    // What lay before the newest mapping is acknowledged: the rest came on this subflow.
    expect(sent(true, 8)).toMatchObject({ octets: 8, acknowledged: 12, unseen_octets: 4 });
    expect(sent(false, 8)).toMatchObject({ octets: 12, acknowledged: 12, unseen_octets: 0 });
  });

  it("null where it was stated before the key that its stream begins with", () => {
    const talk = new Conversation().open(["syn"]);
    talk.segment(talk.initial, 1, SYN | ACK);
    talk.segment(talk.initial, 0, ACK, [option.capable(1, talk.keys)]);
    expect(streams(talk.packets, options).initiator).toMatchObject({ octets: 0, acknowledged: null });
  });

  it("null where no acknowledgment was seen", () => {
    const talk = new Conversation().open();
    talk.segment(talk.initial, 0, ACK, [option.dss({ dsn: talk.dsn(0, 0), ssn: 1, length: 3 })], Buffer.from("abc"));
    expect(streams(talk.packets, options).initiator).toMatchObject({
      octets: 3,
      acknowledged: null,
      unseen_share: null,
    });
  });
});
