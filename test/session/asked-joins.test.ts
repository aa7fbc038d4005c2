import { describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Side, type Subflow } from "../support/conversation.ts";
import { ACK, keys, option, PSH, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

const ENDS = [
  { ip: "10.1.9.1", port: 50_000 },
  { ip: "10.2.0.2", port: 443 },
] as const;

/** The connection that somebody makes up on the 4-tuple of a join to come. */
const madeUp = (): Subflow => ({ ends: ENDS, opener: 0, isn: [12_345, 999], next: [1, 1] });

const begin = (): Conversation => new Conversation().open().send(0, "hello").send(1, "good day");

/** Goes on with a join, whose SYN comes five seconds later, and which carries data both ways. */
function goOn(talk: Conversation): SessionRecord {
  const on = talk.wait(5).join({ ends: ENDS, backup: true });
  for (let n = 0; n < 3; n++) talk.send(0, "more ", { on }).send(1, "answer ", { on });
  return recordOf(talk.close(talk.initial, on));
}

/** The record of a conversation's session, which does not depend on how its packets come in vectors. */
function recordOf(talk: Conversation): SessionRecord {
  const [whole, single] = [64, 1].map((batch) => run(talk.packets, {}, batch).records);
  expect(single).toEqual(whole);
  const [record] = whole?.filter(({ source }) => source.ip === "10.1.0.1") ?? [];
  return sessionRecord.parse(record);
}

const said = ({ mptcp }: SessionRecord): unknown => [
  mptcp.subflows.map(({ join, backup, close }) => [join, backup, close]),
  [mptcp.stream.initiator, mptcp.stream.responder].map((side) => [side.octets, side.missing_octets, side.complete]),
];

/** Whoever sends them needs to see nothing; only what comes of the forged connection itself is not the join's. */
const STRAYS: [name: string, send: (talk: Conversation, on: Subflow) => void][] = [
  ["an acknowledgment", (talk, on) => talk.segment(on, 0, ACK, [option.dss({ ack: 5 })])],
  ["an acknowledgment of the listener", (talk, on) => talk.segment(on, 1, ACK, [option.dss({ ack: 5 })])],
  ["octets with a mapping", (talk, on) => talk.send(0, "x", { on, at: 0 })],
  [
    "a third ACK",
    (talk, on) => talk.segment(on, 0, ACK, [option.capable(1, [Buffer.alloc(8, 1), Buffer.alloc(8, 2)])]),
  ],
  ["a join's third ACK", (talk, on) => talk.segment(on, 0, ACK, [option.joinAck(Buffer.alloc(20))])],
  ["a SYN/ACK", (talk, on) => talk.segment(on, 1, SYN | ACK, [option.joinSynAck(Buffer.alloc(8), 7)])],
  [
    "segments both ways",
    (talk, on) => {
      for (const side of [0, 1, 0, 1] as Side[])
        talk.segment(on, side, ACK | PSH, [option.dss({ ack: 5, dsn: 9, ssn: 1, length: 1 })], Buffer.from("x"));
    },
  ],
];

describe("a join on a 4-tuple on which somebody has sent before", () => {
  const clean = goOn(begin());

  it.each(STRAYS)("after %s has its token, nonce, address id and flag from its SYN all the same", (_, send) => {
    const talk = begin();
    const { offset } = talk;
    const [sent] = offset;
    send(talk, madeUp());
    offset[0] = sent;
    expect(said(goOn(talk))).toEqual(said(clean));
  });

  it("whose SYN is repeated, likewise, and one that another SYN without MP_JOIN displaced has what its own says", () => {
    const talk = begin();
    const stray = madeUp();
    talk.segment(stray, 0, ACK, [option.joinAck(Buffer.alloc(20))]);
    talk.segment({ ...madeUp(), isn: [77, 88] }, 0, SYN, [option.capable(1)]);
    const syn = { ...madeUp(), isn: [3_000_000, 4_000_000] as const };
    talk.segment(syn, 0, SYN, [option.joinSyn(talk.token(1), 0x01020304, 1, true)]).wait(-5);
    expect(said(goOn(talk))).toEqual(said(clean));
  });

  it("is not made of a SYN that nobody answered, nor of an answer to another one", () => {
    const talk = begin();
    const on = talk.join({ ends: ENDS, backup: true });
    talk.send(0, "more ", { on }).send(1, "answer ", { on });
    const forged = { ...madeUp(), isn: [77, 88] as const };
    const before = said(recordOf(talk));
    talk.segment(forged, 0, SYN, [option.joinSyn(talk.token(1), 9, 9)]);
    talk.segment({ ...forged, isn: [78, 88] }, 1, SYN | ACK, [option.joinSynAck(Buffer.alloc(8), 7)]);
    expect(said(recordOf(talk))).toEqual(before);
  });

  it("may be another session's than the one whose subflow had the 4-tuple", () => {
    const talk = begin();
    const first = talk.join({ ends: ENDS });
    talk.send(0, "old ", { on: first });
    const on: Subflow = { ends: ENDS, opener: 0, isn: [9_000_000, 9_500_000], next: [1, 1] };
    talk.segment(on, 0, SYN, [option.joinSyn(talk.token(1), 3, 4)]);
    talk.segment(on, 1, SYN | ACK, [option.joinSynAck(keys.hmac(1, talk.keys[1], talk.keys[0], 8, 3), 8, 5)]);
    talk.segment(on, 0, ACK, [option.joinAck(keys.hmac(1, talk.keys[0], talk.keys[1], 3, 8))]);
    talk.send(0, "new", { on });
    const { mptcp } = recordOf(talk);
    expect(mptcp.subflows.map(({ close }) => close.reason)).toEqual(["open", "replaced", "open"]);
    expect(mptcp.subflows[2]?.join).toMatchObject({ hmac: { initiator: "verified", responder: "verified" } });
    expect(mptcp.stream.initiator.octets).toBe(12);
  });

  it("keeps nothing of SYNs whose 4-tuple goes to another flow, be that none of MPTCP", () => {
    const talk = begin();
    const token = talk.token(1);
    for (let n = 0; n < 4200; n++) {
      const ends = [{ ip: "10.1.9.1", port: 1024 + n }, ENDS[1]] as const;
      const on = (isn: number): Subflow => ({ ends, opener: 0, isn: [isn, 999], next: [1, 1] });
      talk.segment(on(12_345), 0, ACK, [option.dss({ ack: 5 })]);
      talk.segment(on(77), 0, SYN, [option.joinSyn(token, n, 1)]);
      talk.segment(on(77), 1, SYN | ACK);
      // All before the session of the first flow, which is over now, has ended.
      talk.atMicros -= 2950;
    }
    expect(run(talk.packets, { bounds: { sessions: 4400, subflows: 4400 } }).totals.shed).toEqual({});
  });
});
