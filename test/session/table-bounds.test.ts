import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const closeOf = (found: Run): unknown[] => found.records.map(({ mptcp }) => mptcp.close);

describe("bounds of tables", () => {
  /** Conversations of as many clients, each a second after the last. */
  const many = (count: number, parts?: readonly ("syn" | "syn-ack" | "ack")[]) =>
    Array.from({ length: count }, (_, n) =>
      new Conversation({
        keys: [Buffer.alloc(8, n + 1), Buffer.alloc(8, n + 101)],
        ends: [
          { ip: `10.1.0.${n + 1}`, port: 40_000 },
          { ip: "10.2.0.2", port: 443 },
        ],
        atMicros: BEGIN + n * 1e6,
      }).open(parts),
    );

  it("of sessions: half-open ones make room", () => {
    const half = many(4, ["syn"]);
    const whole = many(8).slice(4);
    for (const talk of whole) talk.send(0, "x");
    const packets = [...half, ...whole].flatMap((talk) => talk.packets);
    const found = run(packets, { bounds: { sessions: 5, subflows: 64 } });
    expect(found.records).toHaveLength(4);
    expect(closeOf(found)).toEqual(Array(4).fill({ reason: "end-of-input", by: null }));
    expect(found.totals.sessions).toMatchObject({ opened: 4, ended: 4, live: 0, halfOpen: 4 });
  });

  it("of sessions: one that carried more than few octets is never given up; the new one is refused and counted", () => {
    const talks = many(6);
    for (const talk of talks) talk.send(0, Buffer.alloc(2000));
    const found = run(
      talks.flatMap((talk) => talk.packets),
      { bounds: { sessions: 4, subflows: 64 } },
    );
    expect(found.records.map(({ source }) => source.ip)).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"]);
    expect(found.totals.packets["session/table-full"]).toBeGreaterThan(0);
    expect(Object.values(found.totals.packets).reduce((sum, count) => sum + count, 0)).toBe(found.totals.packetsIn);
  });

  it("of sessions: what stands for joins and flows not seen to begin makes room, and never takes it", () => {
    const forged = Array.from({ length: 6 }, (_, n) => {
      const talk = new Conversation({ atMicros: BEGIN });
      talk.join({ token: n, ends: [{ ip: "10.1.9.1", port: 1000 + n }, talk.initial.ends[1]] });
      return talk;
    });
    const half = many(1, ["syn"]);
    const talks = many(4).slice(1);
    for (const talk of talks) talk.send(0, "x");
    const found = run(
      [...half, ...forged, ...talks].flatMap((talk) => talk.packets),
      { bounds: { sessions: 4, subflows: 64 }, partial: false },
    );
    expect(found.records).toHaveLength(3);
    expect(found.totals.packets["session/table-full"]).toBe(3);
    expect(found.totals.packets["session/counted"]).toBe(1 + 3 * 4);
  });

  it("of subflows: refused and counted", () => {
    const talks = many(6);
    const found = run(
      talks.flatMap((talk) => talk.packets),
      { bounds: { sessions: 64, subflows: 4 } },
    );
    expect(found.records).toHaveLength(4);
    expect(found.totals.packets["subflow/table-full"]).toBeGreaterThan(0);
  });

  it("room is given back: many more sessions than the bound, one after another", () => {
    const talks = Array.from({ length: 30 }, (_, n) =>
      new Conversation({
        keys: [Buffer.alloc(8, n + 1), Buffer.alloc(8, n + 101)],
        isn: [n * 1e6, n * 2e6],
        atMicros: BEGIN + n * 10e6,
      })
        .open()
        .send(0, "x")
        .close(),
    );
    const found = run(
      talks.flatMap((talk) => talk.packets),
      { bounds: { sessions: 2, subflows: 2 } },
      1,
    );
    expect(found.records).toHaveLength(30);
    expect(new Set(closeOf(found).map((close) => JSON.stringify(close))).size).toBe(1);
  });

  it("of subflows in one session: 256, and the rest is told in the record", () => {
    const talk = new Conversation().open().send(0, "x");
    for (let n = 0; n < 300; n++) {
      talk.join({
        nonces: [n, n + 1000],
        ends: [
          { ip: "10.1.9.1", port: 1000 + n },
          { ip: "10.2.0.2", port: 443 },
        ],
      });
    }
    const found = run(talk.packets);
    const record = found.records.find(({ mptcp }) => mptcp.session.evidence === "handshake");
    expect(record?.mptcp.subflows).toHaveLength(256);
    expect(record?.rejoin?.shed?.subflows).toBe(300 - 255);
    for (const one of found.records) sessionRecord.parse(one);
  });
});
