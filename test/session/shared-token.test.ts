import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { fateOf } from "../../src/fate.ts";
import { VECTOR_LENGTH } from "../../src/vector.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

const ORPHAN_JOIN = fateOf("session/orphan-join");

/** Two keys with the token 0xc4f2f3bd in version 1, and two with 0x1066f42b in version 0, found by trying some 80,000. */
const TWINS = {
  1: ["00005e550000a907", "00005e55000146ad"],
  0: ["00005e550000553a", "00005e5500006731"],
} as const;

/** Two sessions of two clients with two servers that chose keys of one token. */
function twins(version: 0 | 1): [Conversation, Conversation] {
  const [a, b] = [1, 2].map((n) => {
    const ends = [
      { ip: `10.1.0.${n}`, port: 40_000 },
      { ip: `10.2.0.${n}`, port: 443 },
    ] as const;
    const key = Buffer.from(TWINS[version][n === 1 ? 0 : 1], "hex");
    return new Conversation({ version, ends, keys: [Buffer.alloc(8, n), key], isn: [n * 1000, n * 2000] });
  });
  if (a === undefined || b === undefined) throw new Error("two of them");
  a.open().send(0, "first");
  b.atMicros = a.atMicros;
  b.open().send(0, "second");
  return [a, b];
}

describe("two servers with one token", () => {
  it.each([0, 1] as const)("version %i: a join goes to the server whose address it is sent to", (version) => {
    const [a, b] = twins(version);
    expect(a.token(1)).toBe(b.token(1));
    for (const [n, talk] of [a, b].entries()) {
      const on = talk.join({
        ends: [
          { ip: `10.1.9.${n + 1}`, port: 50_000 },
          { ip: `10.2.0.${n + 1}`, port: 443 },
        ],
      });
      talk.send(0, "!", { on });
    }
    const { records, totals } = run([...a.packets, ...b.packets]);
    expect(
      records.map(({ source, mptcp }) => [source.ip, mptcp.subflows.length, mptcp.stream.initiator.octets]),
    ).toEqual([
      ["10.1.0.1", 2, 6],
      ["10.1.0.2", 2, 7],
    ]);
    expect(totals.verdicts["join-hmac"]).toEqual({ verified: 4, failed: 0, unverifiable: 0 });
  });

  it.each([0, 1] as const)("version %i: at an address nobody knows, the HMAC decides", (version) => {
    const [a, b] = twins(version);
    for (const [n, talk] of [a, b].entries()) {
      const on = talk.join({
        nonces: [n + 5, n + 6],
        ends: [
          { ip: "10.1.9.1", port: 50_000 + n },
          { ip: "10.9.9.9", port: 443 },
        ],
      });
      talk.send(0, "!", { on });
    }
    const { records, totals } = run([...a.packets, ...b.packets]);
    expect(
      records.map(({ source, mptcp }) => [source.ip, mptcp.subflows.length, mptcp.stream.initiator.octets]),
    ).toEqual([
      ["10.1.0.1", 2, 6],
      ["10.1.0.2", 2, 7],
    ]);
    expect(totals.verdicts["join-hmac"]).toEqual({ verified: 4, failed: 0, unverifiable: 0 });
  });

  it("a join before either handshake waits for the one whose HMACs are right", () => {
    const [a, b] = twins(1);
    const before = b.packets.splice(0);
    const on = b.join();
    b.send(0, "!", { on });
    // The other server's handshake comes first, with the token that the join carries.
    const { records } = run([...b.packets, ...a.packets, ...before]);
    const of = (ip: string) => records.find(({ source }) => source.ip === ip)?.mptcp;
    expect(of("10.1.0.1")?.subflows).toHaveLength(1);
    expect(of("10.1.0.2")?.subflows).toHaveLength(2);
    expect(of("10.1.0.2")?.stream.initiator.octets).toBe(7);
  });
});

describe("two servers with one token, of which one session is not known", () => {
  const nowhereElse = [
    { ip: "10.1.9.1", port: 50_000 },
    { ip: "10.2.0.1", port: 443 },
  ] as const;
  const of = ({ records }: ReturnType<typeof run>, ip: string) => records.find(({ source }) => source.ip === ip)?.mptcp;

  it("a join of the one that has ended is nobody's, and has no wrong HMAC", () => {
    const [a, b] = twins(1);
    a.close().wait(5);
    const before = a.packets.splice(0);
    b.wait(3);
    // Time is looked at behind each vector.
    for (let n = 0; n < 2 * VECTOR_LENGTH; n++) b.send(0, "!");
    const on = a.join({ ends: nowhereElse });
    a.send(0, "late", { on });
    const ran = run([...before, ...b.packets, ...a.packets]);
    expect(of(ran, "10.1.0.2")?.subflows).toHaveLength(1);
    expect(ran.totals.verdicts["join-hmac"]?.failed).toBe(0);
    expect(ran.fates.slice(-2)).toEqual([ORPHAN_JOIN, ORPHAN_JOIN]);
  });

  it("a join of the one whose handshake comes later becomes its own", () => {
    const [a, b] = twins(1);
    const before = b.packets.splice(0);
    b.send(0, "!", { on: b.join() });
    const ran = run([...a.packets, ...b.packets, ...before]);
    expect(of(ran, "10.1.0.1")?.subflows).toHaveLength(1);
    expect(of(ran, "10.1.0.2")?.subflows).toHaveLength(2);
    expect(of(ran, "10.1.0.2")?.stream.initiator.octets).toBe(7);
    expect(ran.totals.verdicts["join-hmac"]).toEqual({ verified: 2, failed: 0, unverifiable: 0 });
  });

  it("a join that comes amid the other one's handshake is not kept by it", () => {
    const [a, b] = twins(1);
    const [syn, synAck, ...rest] = a.packets;
    if (syn === undefined || synAck === undefined) throw new Error("a handshake");
    const before = b.packets.splice(0);
    b.send(0, "!", { on: b.join() });
    const ran = run([syn, synAck, ...b.packets, ...rest, ...before]);
    expect(of(ran, "10.1.0.1")?.subflows).toHaveLength(1);
    expect(of(ran, "10.1.0.2")?.stream.initiator.octets).toBe(7);
  });

  it("somebody without keys at an address that was announced has a wrong HMAC", () => {
    const [, b] = twins(1);
    b.segment(b.initial, 1, ACK, [option.addAddr(1, 2, "10.9.9.9")]);
    b.join({
      ends: [
        { ip: "10.1.9.1", port: 50_000 },
        { ip: "10.9.9.9", port: 443 },
      ],
      wrong: "listener",
    });
    const ran = run(b.packets);
    expect(of(ran, "10.1.0.2")?.subflows.map(({ join }) => join?.hmac.responder)).toEqual([undefined, "failed"]);
  });
});

describe("a join that is another session's, and no room for it", () => {
  /** MP_PRIO of version 0, which names a subflow by its opener's address id. */
  const PRIO = Buffer.from("1e045101", "hex");
  /** Says that a join, which has not been answered yet, is a backup; its answer shows then whose it is. */
  const joinedLate = (to: Conversation, said: Conversation, ip: string) => {
    const [syn, synAck, ack] =
      to.join({
        ends: [
          { ip: "10.1.9.1", port: 50_000 },
          { ip, port: 443 },
        ],
      }) && to.packets.splice(-3);
    if (syn === undefined || synAck === undefined || ack === undefined) throw new Error("a join");
    const [prio] = said.segment(said.initial, 0, ACK, [PRIO]).packets.splice(-1);
    if (prio === undefined) throw new Error("a segment");
    return [syn, prio, synAck, ack];
  };
  const kept = [undefined, [{ side: "initiator", backup: true }]];

  it("in the table of sessions: it stays with all that was said of it, and is counted", () => {
    const [a, b] = twins(0);
    const join = joinedLate(b, a, "10.9.9.9");
    for (const [sessions, priorities] of [
      [1, kept],
      [2, [undefined]],
    ] as const) {
      const { records } = run([...a.packets, ...join], { bounds: { sessions } });
      const { mptcp, rejoin } = sessionRecord.parse(records[0]);
      expect(mptcp.subflows.map(({ priority }) => priority)).toMatchObject(priorities);
      expect(rejoin?.shed).toEqual(sessions === 1 ? { subflows: 1 } : undefined);
    }
  });

  it("in its session, where all are open and proven: so too", () => {
    const [a, b] = twins(0);
    const join = joinedLate(b, a, "10.9.9.9");
    for (let n = 1; n < 256; n++) {
      const ends = [
        { ip: `10.1.8.${n}`, port: 50_000 },
        { ip: "10.2.0.2", port: 443 },
      ] as const;
      b.join({ ends, nonces: [n, 1000 + n] });
    }
    const { records } = run([...a.packets, ...b.packets, ...join]);
    const [of, others] = ["10.1.0.1", "10.1.0.2"].map((ip) =>
      sessionRecord.parse(records.find(({ source }) => source.ip === ip)),
    );
    expect(of?.mptcp.subflows.map(({ priority }) => priority)).toMatchObject(kept);
    expect(of?.rejoin).toBeUndefined();
    expect(others?.mptcp.subflows).toHaveLength(256);
    expect(others?.rejoin?.shed).toEqual({ subflows: 1 });
  });
});

describe("two servers with the same keys", () => {
  it("a join that both verify goes to the first, and says how many others verify it", () => {
    const [a, b] = [1, 2].map((n) => {
      const ends = [
        { ip: `10.1.0.${n}`, port: 40_000 },
        { ip: `10.2.0.${n}`, port: 443 },
      ] as const;
      return new Conversation({ ends, isn: [n * 1000, n * 2000] }).open().send(0, "data");
    });
    if (a === undefined || b === undefined) throw new Error("two of them");
    const elsewhere = [
      { ip: "10.1.9.1", port: 50_000 },
      { ip: "10.9.9.9", port: 443 },
    ] as const;
    const own = [
      { ip: "10.1.9.1", port: 50_001 },
      { ip: "10.2.0.2", port: 443 },
    ] as const;
    b.atMicros += 100_000;
    b.join({ ends: elsewhere });
    b.join({ ends: own, nonces: [5, 6] });
    const { records } = run([...a.packets, ...b.packets]);
    const joins = records.map((record) => sessionRecord.parse(record).mptcp.subflows.map(({ join }) => join));
    const hmac = { initiator: "verified", responder: "verified" };
    expect(joins).toEqual([
      [null, { hmac, other_sessions: 1 }],
      [null, { hmac, other_sessions: 1 }],
    ]);
    const alone = run([...new Conversation().open().packets, ...b.packets.slice(-6)]).records[0];
    expect(alone?.mptcp.subflows.map(({ join }) => join)).toEqual([null, { hmac }, { hmac }]);
  });
});
