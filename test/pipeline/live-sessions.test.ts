import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { CollectedStreams, keeping } from "../support/pipeline-run.ts";

const RAW_IP = 101;

/** A pipeline in the midst of what these talks have sent so far, and the records that it makes later. */
function inTheMidst(talks: readonly Conversation[], bounds = { sessions: 64, subflows: 64 }) {
  const records: SessionRecord[] = [];
  const pipeline = new Pipeline(keeping(records, new CollectedStreams(), { bounds }));
  pipeline.addSource("router1");
  const vector = new PacketVector();
  for (const { octets, wire, atMicros } of talks.flatMap(({ packets }) => packets)) {
    vector.use(Uint8Array.from(octets));
    vector.add(0, octets.length, wire, atMicros, RAW_IP, 0);
    pipeline.process(vector);
  }
  return { pipeline, records };
}

const talk = (n: number, parts?: readonly ("syn" | "syn-ack" | "ack")[]): Conversation =>
  new Conversation({
    keys: [Buffer.alloc(8, n), Buffer.alloc(8, 100 + n)],
    ends: [
      { ip: `10.1.0.${n}`, port: 40_000 + n },
      { ip: "10.2.0.2", port: 443 },
    ],
    isn: [n * 1000, n * 2000],
    atMicros: BEGIN + n,
  }).open(parts);

describe("live sessions", () => {
  it("are told as their records will tell them", () => {
    const joined = talk(1);
    joined.send(0, "12345");
    joined.join();
    joined.send(1, "123", { at: 10 });
    const { pipeline, records } = inTheMidst([joined]);
    const { sessions, next } = pipeline.liveSessions(0, 10);
    expect(next).toBeNull();
    pipeline.finish("shutdown");
    const [record] = records;
    expect(sessions).toEqual([
      {
        id: record?.mptcp.session.id,
        evidence: "handshake",
        start: record?.event.start,
        last: record?.event.end,
        version: 1,
        fallback: null,
        initiator: { ip: "10.1.0.1", port: 40_001 },
        responder: { ip: "10.2.0.2", port: 443 },
        subflows: { all: 2, open: 2 },
        octets: { initiator: 5, responder: 3, missing: 10 },
        agents: ["router1"],
      },
    ]);
    expect(pipeline.liveSessions(0, 10)).toEqual({ sessions: [], next: null });
  });

  it("come a page at a time, half-open ones among them, and from beyond the end not at all", () => {
    const { pipeline } = inTheMidst([talk(1), talk(2, ["syn"]), talk(3), talk(4), talk(5)]);
    const pages: string[][] = [];
    let next: number | null = 0;
    while (next !== null) {
      const page = pipeline.liveSessions(next, 2);
      pages.push(page.sessions.map(({ initiator, evidence }) => `${initiator.ip} ${evidence}`));
      next = page.next;
    }
    expect(pages).toEqual([
      ["10.1.0.1 handshake", "10.1.0.2 half-open"],
      ["10.1.0.3 handshake", "10.1.0.4 handshake"],
      ["10.1.0.5 handshake"],
    ]);
    expect(pipeline.liveSessions(1e9, 2)).toEqual({ sessions: [], next: null });
  });

  it("say nothing that is secret, nor what was said", () => {
    const one = talk(7);
    one.send(0, "a password");
    one.join();
    const text = JSON.stringify(inTheMidst([one]).pipeline.liveSessions(0, 10));
    const numbers = [0, 1].map((side) => one.token(side as 0 | 1));
    for (const secret of [
      ...one.keys.map((key) => Buffer.from(key).toString("hex")),
      ...numbers.map((token) => token.toString(16)),
      ...numbers.map(String),
      "password",
      Buffer.from("password").toString("hex"),
    ]) {
      expect(text).not.toContain(secret);
    }
  });
});

describe("tables", () => {
  it("tell what is in them and what may be, and are empty in the end", () => {
    const waiting = talk(1);
    waiting.join();
    const { pipeline } = inTheMidst([waiting, talk(2), talk(3, ["syn"])], { sessions: 32, subflows: 64 });
    const tables = pipeline.tables();
    expect(tables.sessions).toEqual({ used: 3, bound: 32 });
    expect(tables.subflows).toEqual({ used: 4, bound: 64 });
    expect(tables.agents).toEqual({ used: 1, bound: 1024 });
    for (const { used, bound } of Object.values(tables)) expect(used).toBeLessThanOrEqual(bound);
    pipeline.finish("shutdown");
    const left = Object.entries(pipeline.tables()).filter(([name, { used }]) => used > 0 && name !== "agents");
    expect(left).toEqual([]);
  });
});
