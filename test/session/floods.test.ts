import { describe, expect, it, vi } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { OctetMemory } from "../../src/reassembly/octet-memory.ts";
import { timeText } from "../../src/record/time-text.ts";
import { BEGIN, Conversation, type Subflow } from "../support/conversation.ts";
import { option, SYN } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const SERVER = { ip: "10.2.0.2", port: 443 };

/** Sessions of as many clients, a millisecond or more apart. */
const clients = (count: number, first: number, parts?: readonly ("syn" | "syn-ack" | "ack")[]): Conversation[] =>
  Array.from({ length: count }, (_, n) => {
    const id = first + n;
    const own = Buffer.alloc(8, 1);
    own.writeUInt32BE(id);
    return new Conversation({
      keys: [own, Buffer.concat([own.subarray(0, 4), Buffer.alloc(4, 9)])],
      ends: [{ ip: `10.1.${id >> 8}.${id & 255}`, port: 40_000 }, SERVER],
      isn: [id * 1000, id * 2000],
      atMicros: BEGIN + id * 10_000,
    }).open(parts);
  });

const packetsOf = (talks: readonly Conversation[]): RunPacket[] =>
  talks.flatMap(({ packets }) => packets).sort((a, b) => a.atMicros - b.atMicros);

/** SYNs that ask to join a session, each from another port. */
function joinSyns(talk: Conversation, count: number, ip = "10.66.0.1"): void {
  for (let n = 0; n < count; n++) {
    const on: Subflow = { ends: [{ ip, port: 1000 + n }, SERVER], opener: 0, isn: [n, 0], next: [1, 1] };
    talk.segment(on, 0, SYN, [option.joinSyn(talk.token(1), n, 1)]);
  }
}

describe("a flood of MP_CAPABLE SYNs", () => {
  it("takes no room from sessions, and a new session takes it from the flood", () => {
    const whole = clients(3, 1);
    for (const talk of whole) talk.send(0, "before");
    const late = clients(1, 4000);
    const packets = packetsOf([...whole, ...clients(200, 100, ["syn"]), ...late]);
    const { records, totals } = run([...packets, ...(late[0]?.send(0, "after").packets.slice(3) ?? [])], {
      bounds: { sessions: 8, subflows: 512 },
    });
    expect(records.map(({ mptcp }) => mptcp.stream.initiator.octets)).toEqual([6, 6, 6, 5]);
    expect(records.every(({ mptcp }) => mptcp.close?.reason === "end-of-input")).toBe(true);
    expect(totals.sessions).toMatchObject({ opened: 4, ended: 4, live: 0, halfOpen: 200 });
    expect(totals.packets["session/table-full"]).toBeUndefined();
  });

  it("that the server answers gives way, too, the oldest first", () => {
    const established = clients(1, 1);
    for (const talk of established) talk.send(0, "data");
    const { records, totals } = run(packetsOf([...established, ...clients(50, 10, ["syn", "syn-ack"])]), {
      bounds: { sessions: 4, subflows: 64 },
    });
    expect(records.map(({ mptcp }) => mptcp.stream.initiator.octets)).toEqual([4]);
    expect(totals.sessions.halfOpen).toBe(50);
  });

  it("as large as the table of subflows gives way as well", () => {
    const [session] = clients(1, 1);
    const late = clients(2, 900);
    const talks = [session, ...clients(100, 10, ["syn"]), ...late].filter((talk) => talk !== undefined);
    const { records, totals } = run(packetsOf(talks), { bounds: { sessions: 512, subflows: 8 } }, 1);
    expect(records).toHaveLength(3);
    expect(totals.packets["subflow/table-full"]).toBeUndefined();
  });
});

describe("a flood of complete handshakes", () => {
  const addressOf = ({ source }: { source: { ip: string } }): string => source.ip;

  it("takes the room of sessions without data, the oldest first, and of none with data", () => {
    const old = clients(2, 1);
    for (const talk of old) talk.send(0, "data");
    const { records, totals } = run(packetsOf([...old, ...clients(30, 10)]), { bounds: { sessions: 6, subflows: 64 } });
    const evicted = records.filter(({ mptcp }) => mptcp.close?.reason === "evicted");
    // One place is left for the next one.
    expect(evicted.map(addressOf)).toEqual(Array.from({ length: 27 }, (_, n) => `10.1.0.${n + 10}`));
    const kept = records.filter(({ mptcp }) => mptcp.close?.reason !== "evicted");
    expect(kept.filter(({ mptcp }) => mptcp.stream.initiator.octets === 4)).toHaveLength(2);
    expect(totals.endedBy.evicted).toBe(27);
  });

  it("with an octet each takes the room of what is small and longest idle, and of none that carried more", () => {
    const [large] = clients(1, 1);
    large?.send(0, Buffer.alloc(1000)).send(1, Buffer.alloc(100));
    const small = clients(2, 2);
    for (const talk of small) talk.send(0, "x");
    const flood = clients(30, 10);
    for (const talk of flood) talk.send(0, "x");
    // The first of the small ones is in use.
    for (let n = 0; n < 35; n++) small[0]?.wait(0.01).send(0, "y");
    const late = clients(1, 4000);
    for (const talk of late) talk.send(0, "late");
    const talks = [large, ...small, ...flood, ...late].filter((talk) => talk !== undefined);
    const { records, totals } = run(packetsOf(talks), { bounds: { sessions: 6, subflows: 64 } }, 1);
    expect(totals.packets["session/table-full"]).toBeUndefined();
    const kept = records.filter(({ mptcp }) => mptcp.close?.reason !== "evicted").map(addressOf);
    expect(kept).toContain("10.1.0.1");
    expect(kept).toContain("10.1.0.2");
    expect(kept).toContain("10.1.15.160");
    expect(records).toHaveLength(34);
    expect(totals.endedBy.evicted).toBe(34 - kept.length);
  });

  it("of which each carries more than a small session keeps new ones out, which their packets' fate tells", () => {
    const flood = clients(6, 1);
    for (const talk of flood) talk.send(0, Buffer.alloc(1025));
    const late = clients(1, 4000);
    const { records, totals } = run(packetsOf([...flood, ...late]), { bounds: { sessions: 6, subflows: 64 } }, 1);
    expect(records.filter(({ mptcp }) => mptcp.close?.reason === "evicted")).toEqual([]);
    expect(totals.packets["session/table-full"]).toBe(3);
  });
});

describe("a session that carried 1,024 octets", () => {
  it("is small still: it gives way where all others carried one more", () => {
    const whole = clients(6, 1);
    for (const [n, talk] of whole.entries()) talk.send(0, Buffer.alloc(n === 0 ? 1024 : 1025));
    const { records, totals } = run(packetsOf([...whole, ...clients(1, 4000)]), {
      bounds: { sessions: 6, subflows: 64 },
    });
    const evicted = records.filter(({ mptcp }) => mptcp.close?.reason === "evicted");
    expect(evicted.map(({ source }) => source.ip)).toEqual(["10.1.0.1"]);
    expect(totals.packets["session/table-full"]).toBeUndefined();
  });
});

describe("a flood of SYNs where the table is full of sessions", () => {
  it("has one place among its own, and takes none of a session that is established, with data or not yet", () => {
    const whole = clients(8, 1);
    for (const talk of whole.slice(1)) talk.send(0, "x");
    const { records, totals } = run(packetsOf([...whole, ...clients(100, 100, ["syn"])]), {
      bounds: { sessions: 8, subflows: 512 },
    });
    expect(totals.endedBy.evicted).toBe(1);
    expect(records.filter(({ mptcp }) => mptcp.close?.reason === "evicted").map(({ source }) => source.ip)).toEqual([
      "10.1.0.1",
    ]);
    expect(totals.sessions).toMatchObject({ opened: 8, halfOpen: 100 });
  });
});

describe("a flood of MP_JOIN SYNs", () => {
  it("in one session leaves its joins alone, and later ones find room", () => {
    const [talk] = clients(1, 1);
    if (talk === undefined) throw new Error("one");
    const early = talk.join({ ends: [{ ip: "10.1.9.1", port: 5 }, SERVER] });
    joinSyns(talk, 400);
    const late = talk.join({ ends: [{ ip: "10.1.9.2", port: 6 }, SERVER], nonces: [70_000, 70_001] });
    talk.send(0, "early ", { on: early }).send(0, "late", { on: late });
    const record = sessionRecord.parse(run(talk.packets).records[0]);
    expect(record.mptcp.stream.initiator.octets).toBe(10);
    expect(record.mptcp.subflows.filter(({ join }) => join?.hmac.initiator === "verified")).toHaveLength(2);
    expect(record.mptcp.subflows).toHaveLength(256);
    expect(record.rejoin?.shed?.subflows).toBe(403 - 256);
  });

  it("that are all answered, and prove nothing, likewise", () => {
    const [talk] = clients(1, 1);
    if (talk === undefined) throw new Error("one");
    for (let n = 0; n < 300; n++) {
      const ends = [{ ip: "10.66.0.1", port: 1000 + n }, SERVER] as const;
      talk.send(0, "EVIL", { on: talk.join({ ends, nonces: [n, n + 1000], wrong: "opener" }), at: 0 });
    }
    const search = vi.spyOn(OctetMemory.prototype, "rename");
    const late = talk.join({ ends: [{ ip: "10.1.9.2", port: 6 }, SERVER], nonces: [70_000, 70_001] });
    const { mptcp } = sessionRecord.parse(run(talk.send(0, "late", { on: late, at: 0 }).packets).records[0]);
    expect(mptcp.stream.initiator.octets).toBe(4);
    // What was remembered is not searched for subflows that can have brought nothing.
    expect(search).not.toHaveBeenCalled();
    search.mockRestore();
  });

  it("in all sessions has a bound, at which the oldest go and their session tells", () => {
    const talks = clients(2, 1);
    for (const [n, talk] of talks.entries()) joinSyns(talk, 20, `10.66.0.${n}`);
    const { records } = run(packetsOf(talks), { bounds: { sessions: 8, subflows: 64, pendingJoins: 10 } });
    expect(records.map(({ mptcp }) => mptcp.subflows.length - 1).reduce((sum, n) => sum + n, 0)).toBe(10);
    expect(records.map(({ rejoin }) => rejoin?.shed?.subflows ?? 0).reduce((sum, n) => sum + n, 0)).toBe(30);
  });

  it("keeps no session open whose own subflow is closed", () => {
    const [talk] = clients(1, 1);
    if (talk === undefined) throw new Error("one");
    talk.send(0, "x");
    joinSyns(talk, 3);
    const { atMicros } = talk.fins();
    const { records } = run(packetsOf([talk, ...clients(1, 8000)]), {}, 1);
    const ended = records.find(({ source }) => source.ip === "10.1.0.1");
    expect(ended?.mptcp.close).toEqual({ reason: "fin", by: null });
    expect(ended?.["@timestamp"]).toBe(timeText(atMicros - 2_000 + 60_000_000));
  });

  it("to tokens that nobody has does not keep handshakes out", () => {
    const forged = new Conversation({ atMicros: BEGIN });
    for (let n = 0; n < 100; n++) {
      const on: Subflow = { ends: [{ ip: "10.66.0.1", port: 1000 + n }, SERVER], opener: 0, isn: [n, 0], next: [1, 1] };
      forged.segment(on, 0, SYN, [option.joinSyn(n * 77_777, n, 1)]);
    }
    const late = clients(5, 4000);
    for (const talk of late) talk.send(0, "x");
    const { records } = run(packetsOf([forged, ...late]), { partial: false, bounds: { sessions: 6, subflows: 64 } });
    expect(records).toHaveLength(5);
  });
});

describe("a token that many have", () => {
  it("is found for a session whatever orphans carry it; where sessions do, the record says that its joins are not found", () => {
    const [victim] = clients(1, 4000);
    if (victim === undefined) throw new Error("one");
    const forged = new Conversation({ atMicros: BEGIN });
    for (let n = 0; n < 20; n++) {
      const ends = [
        { ip: `10.66.0.${n}`, port: 1 },
        { ip: `10.77.0.${n}`, port: 2 },
      ] as const;
      forged.segment({ ends, opener: 0, isn: [n, 0], next: [1, 1] }, 0, SYN, [option.joinSyn(victim.token(1), n, 1)]);
    }
    const on = victim.join({ ends: [{ ip: "10.1.9.1", port: 5 }, SERVER], nonces: [1000, 1001] });
    const { records } = run(packetsOf([forged, victim.send(0, "found", { on })]));
    const found = records.find(({ mptcp }) => mptcp.session.evidence === "handshake");
    expect(found?.mptcp.stream.initiator.octets).toBe(5);

    const twins = Array.from({ length: 18 }, (_, n) =>
      new Conversation({
        ends: [
          { ip: `10.3.0.${n}`, port: 9 },
          { ip: `10.4.0.${n}`, port: 443 },
        ],
        isn: [n * 9, n * 7],
      }).open(),
    );
    const all = run(twins.flatMap(({ packets }) => packets)).records;
    // Both sides of two sessions.
    expect(all.map(({ rejoin }) => rejoin?.shed?.tokens ?? 0).reduce((sum, n) => sum + n, 0)).toBe(4);
  });
});
