import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, addressOctets, type Endpoint, option, SYN } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const INSIDE = { ip: "10.1.0.1", port: 40_000 };
const OUTSIDE = { ip: "203.0.113.9", port: 61_000 };
const INSIDE_JOIN = { ip: "10.1.9.1", port: 50_000 };
/** Above the server's address, where the ends of the flow key change places. */
const OUTSIDE_JOIN = { ip: "192.0.2.200", port: 1025 };
const SERVER = { ip: "10.2.0.2", port: 443 };

/** IPv4 packets as they are on the other side of an address translator, as another agent sees them a little later. */
function translated(packets: readonly RunPacket[], from: Endpoint, to: Endpoint, afterMicros = 300): RunPacket[] {
  const [own, other] = [addressOctets(from.ip), addressOctets(to.ip)];
  return packets.map((packet) => {
    const octets = Buffer.from(packet.octets);
    for (const [addressAt, portAt] of [
      [12, 20],
      [16, 22],
    ] as const) {
      if (!octets.subarray(addressAt, addressAt + 4).equals(own) || octets.readUInt16BE(portAt) !== from.port) continue;
      octets.set(other, addressAt);
      octets.writeUInt16BE(to.port, portAt);
    }
    return { ...packet, octets, atMicros: packet.atMicros + afterMicros, source: 1 };
  });
}

const byTime = (packets: readonly RunPacket[]): RunPacket[] => [...packets].sort((a, b) => a.atMicros - b.atMicros);

/** A session of two subflows; the answer to each segment is given on the same subflow. */
function talk(): Conversation {
  const made = new Conversation({ ends: [INSIDE, SERVER] }).open().send(0, "hello ").send(1, "good ");
  const second = made.join({ ends: [INSIDE_JOIN, SERVER] });
  made.send(0, "world", { on: second }).send(1, "day", { on: second }).send(0, "!");
  return made.close(made.initial, second);
}

describe("a session seen on both sides of an address translator", () => {
  const { packets } = talk();
  const outside = translated(translated(packets, INSIDE, OUTSIDE), INSIDE_JOIN, OUTSIDE_JOIN, 0);
  const alone = run(packets).records[0];
  const ends = (of: typeof alone) => of?.mptcp.subflows.map(({ source }) => source);

  it.each([1, 3, 64])("is one session of two subflows, whose packets count once (%i packets at a time)", (batch) => {
    const { records, totals, streams } = run(byTime([...packets, ...outside]), {}, batch);
    expect(records).toHaveLength(1);
    const record = sessionRecord.parse(records[0]);
    expect(record.mptcp.session.id).toBe(alone?.mptcp.session.id);
    expect(ends(record)).toEqual(ends(alone));
    expect([record.source, record.destination, record.network]).toEqual([
      alone?.source,
      alone?.destination,
      alone?.network,
    ]);
    expect(record.mptcp.stream).toEqual(alone?.mptcp.stream);
    expect(record.mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(streams.of(record.mptcp.session.id, 0, 12).toString()).toBe("hello world!");
    expect(
      record.mptcp.subflows.map(({ agents, translated: seen }) => [agents, seen?.map(({ source }) => source)]),
    ).toEqual([
      [["a", "b"], [OUTSIDE]],
      [["a", "b"], [OUTSIDE_JOIN]],
    ]);
    expect(record.mptcp.subflows[1]?.translated?.[0]).toMatchObject({ destination: SERVER, agents: ["b"] });
    const copies = record.mptcp.subflows.reduce((sum, one) => sum + one.mirror_duplicates, 0);
    expect(copies).toBe(outside.length);
    expect(totals.sessions).toMatchObject({ opened: 1, ended: 1, live: 0, halfOpen: 0 });
  });

  it.each([1, 3, 64])("counts its packets once where one agent sees both sides too (%i packets at a time)", (batch) => {
    const same = outside.map((packet) => ({ ...packet, source: 0 }));
    const { records } = run(byTime([...packets, ...same]), {}, batch);
    expect(records).toHaveLength(1);
    expect(records[0]?.network).toEqual(alone?.network);
    expect(records[0]?.mptcp.stream).toEqual(alone?.mptcp.stream);
  });

  it("has the same id whichever side was seen, or was seen first", () => {
    const late = outside.map((packet) => ({ ...packet, atMicros: packet.atMicros - 600 }));
    for (const seen of [outside, byTime([...late, ...packets])]) {
      expect(run(seen).records.map(({ mptcp }) => mptcp.session.id)).toEqual([alone?.mptcp.session.id]);
    }
  });

  it("of which one side saw the initiator only", () => {
    const half = outside.filter(({ octets }) => Buffer.from(octets).readUInt16BE(20) !== SERVER.port);
    const { records } = run(byTime([...packets, ...half]));
    expect(records).toHaveLength(1);
    expect(ends(records[0])).toEqual(ends(alone));
    expect(records[0]?.mptcp.subflows.map(({ translated: seen }) => seen?.length)).toEqual([1, 1]);
  });

  it("where each agent missed a part after the handshakes: what either saw is there", () => {
    const inside = packets.filter((_, i) => i < 8 || i % 2 === 0);
    const found = run(byTime([...inside, ...outside.filter((_, i) => i < 8 || i % 2 === 1)]));
    expect(found.records[0]?.mptcp.stream).toMatchObject({
      initiator: { octets: 12, complete: true },
      responder: { octets: 8, complete: true },
    });
  });

  it("whose join came before the handshake on both sides", () => {
    const made = new Conversation({ ends: [INSIDE, SERVER] }).open();
    const handshake = made.packets.splice(0);
    const second = made.join({ ends: [INSIDE_JOIN, SERVER] });
    const join = made.send(0, "early", { on: second }).packets.splice(0);
    for (const packet of handshake) made.packets.push({ ...packet, atMicros: made.atMicros++ });
    const seen = byTime([...join, ...translated(join, INSIDE_JOIN, OUTSIDE_JOIN)]);
    const { records } = run([...seen, ...made.packets]);
    expect(records).toHaveLength(1);
    expect(records[0]?.mptcp.stream.initiator.octets).toBe(5);
    expect(records[0]?.mptcp.subflows.map(({ translated: flows }) => flows?.length ?? 0)).toEqual([0, 1]);
  });
});

describe("what is not the same subflow", () => {
  it("the same numbers with another server's key", () => {
    const a = new Conversation({ ends: [INSIDE, SERVER] }).open().send(0, "a");
    const b = new Conversation({ ends: [OUTSIDE, SERVER], keys: [a.keys[0], Buffer.alloc(8, 7)] }).open().send(0, "b");
    expect(run(byTime([...a.packets, ...b.packets])).records).toHaveLength(2);
  });

  it("one that was told of before its handshake showed what it is", () => {
    const a = new Conversation({ ends: [INSIDE, SERVER] }).open().send(0, "a").send(1, "b");
    const [syn, , ack, ...data] = translated(a.packets, INSIDE, OUTSIDE);
    if (syn === undefined || ack === undefined) throw new Error("a handshake");
    const seen = [syn, ...data, { ...ack, atMicros: a.atMicros }];
    expect(run([...a.packets, ...seen], {}, 1).records.map(({ source }) => source.ip)).toEqual([INSIDE.ip, OUTSIDE.ip]);
  });

  it("the same keys with other numbers", () => {
    const a = new Conversation({ ends: [INSIDE, SERVER] }).open().send(0, "a");
    const b = new Conversation({ ends: [OUTSIDE, SERVER], isn: [5, 6] }).open().send(0, "b");
    expect(run(byTime([...a.packets, ...b.packets])).records).toHaveLength(2);
  });

  it("a SYN of a join that somebody repeats from elsewhere", () => {
    const made = new Conversation().open();
    const second = made.join();
    const forged = { ends: [OUTSIDE, SERVER], opener: 0, isn: second.isn, next: [1, 1] } as const;
    made.segment({ ...forged, next: [1, 1] }, 0, SYN, [option.joinSyn(made.token(1), 0x01020304, 1)]);
    expect(run(made.packets).records[0]?.mptcp.subflows).toHaveLength(3);
  });

  it("a SYN that somebody repeats from elsewhere, with a third ACK made up", () => {
    const made = new Conversation().open().send(0, "one ").send(1, "x");
    const second = made.join();
    made.send(0, "two ", { on: second }).send(1, "y", { on: second });
    const forged = { ends: [OUTSIDE, second.ends[1]], opener: 0, isn: second.isn, next: [1, 1] } as const;
    const on = { ...forged, next: [1, 1] as [number, number] };
    made.segment(on, 0, SYN, [option.joinSyn(made.token(1), 0x01020304, 1)]);
    made.segment(on, 0, ACK, [option.joinAck(Buffer.alloc(20, 3))]);
    const evil = option.dss({ ack: made.dsn(1, 2), dsn: made.dsn(0, 8), ssn: second.next[0], length: 6 });
    made.segment(on, 0, ACK, [evil], Buffer.from("EVIL! "), second.next[0]);
    made.send(0, "three ", { on: second, at: 8 }).send(1, "z", { on: second });
    const { records, streams } = run(made.close(made.initial, second).packets);
    const { id } = sessionRecord.parse(records[0]).mptcp.session;
    expect(streams.of(id, 0, 14).toString()).toBe("one two three ");
    expect(records[0]?.mptcp.subflows.map(({ translated: seen }) => seen?.length)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("a new connection that the translator gave the addresses to", () => {
    const first = talk();
    const outside = translated(first.packets, INSIDE, OUTSIDE);
    const next = new Conversation({
      ends: [OUTSIDE, SERVER],
      isn: [77, 88],
      keys: [Buffer.alloc(8, 1), Buffer.alloc(8, 2)],
      atMicros: BEGIN + 500_000,
    });
    next.open().send(0, "next").segment(next.initial, 0, ACK);
    const { records } = run(byTime([...first.packets, ...outside, ...next.packets]));
    expect(records.map(({ source, mptcp }) => [source.ip, mptcp.stream.initiator.octets])).toEqual([
      [INSIDE.ip, 12],
      [OUTSIDE.ip, 4],
    ]);
  });
});
