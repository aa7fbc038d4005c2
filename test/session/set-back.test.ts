import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, option, RST } from "../support/packets.ts";
import { CollectedStreams, keeping, run } from "../support/pipeline-run.ts";

/** LINKTYPE_RAW: the packet begins with its IP header. */
const RAW_IP = 101;
const MINUTE = 60;
const DAY = 24 * 60 * MINUTE;

/** A pipeline that takes packets one at a time, and time without any. */
class Line {
  private readonly records: SessionRecord[] = [];
  private readonly pipeline = new Pipeline(keeping(this.records, new CollectedStreams(), { partial: false }));
  private readonly vector = new PacketVector();
  private readonly talk: Conversation;

  constructor(talk: Conversation) {
    this.talk = talk;
    this.pipeline.addSource("a");
    this.take();
  }

  /** Takes what the conversation has said since. */
  take(): this {
    for (const { octets, wire, atMicros } of this.talk.packets.splice(0)) {
      this.vector.use(Uint8Array.from(octets));
      this.vector.add(0, octets.length, wire, atMicros, RAW_IP, 0);
      this.pipeline.process(this.vector);
    }
    return this;
  }

  /** Lets time pass as a live source does, a second at a time, until no session is left; returns how many seconds that took. */
  secondsToEnd(most: number): number {
    for (let second = 0; second <= most; second++) {
      this.pipeline.advance(this.talk.atMicros);
      if (this.pipeline.totals().sessions.live === 0 && this.pipeline.totals().flows.live === 0) return second;
      this.talk.wait(1);
    }
    return Number.POSITIVE_INFINITY;
  }

  get reasons(): unknown[] {
    return this.records.map(({ mptcp }) => mptcp.close?.reason);
  }
}

/** Both ends are stated and acknowledged, and the subflow stays open. */
const stayOpen = (talk: Conversation): Conversation => {
  talk.dataFin(0).dataFin(1);
  for (const side of [0, 1] as const) {
    const peer = side === 0 ? 1 : 0;
    talk.segment(talk.initial, side, ACK, [option.dss({ ack: talk.dsn(peer, talk.offset[peer] + 1) })]);
  }
  return talk;
};

const fastclose = (talk: Conversation): Conversation =>
  talk.segment(talk.initial, 0, RST | ACK, [option.fastclose(talk.keys[1]), option.reset(0)]);

describe.each([2 * MINUTE, 50 * MINUTE, DAY])("after a clock was set back by %i seconds", (step) => {
  it.each([
    { ended: "in order", talk: (talk: Conversation) => talk.close(), reason: "fin", least: 1, most: 3 },
    { ended: "by a fast close", talk: fastclose, reason: "fastclose", least: 1, most: 3 },
    { ended: "in order while its subflow stays open", talk: stayOpen, reason: "fin", least: 10, most: 21 },
    {
      ended: "with its last subflow",
      talk: (talk: Conversation) => talk.reset(0),
      reason: "reset",
      least: MINUTE,
      most: 2 * MINUTE,
    },
    { ended: "no more than that", talk: (talk: Conversation) => talk, reason: "idle", least: 1800, most: 3600 },
  ])("a session that has ended $ended is told as soon as ever", ({ talk: said, reason, least, most }) => {
    const talk = said(new Conversation().open().send(0, "a"));
    const line = new Line(talk);
    talk.wait(-step);
    const seconds = line.secondsToEnd(2 * most);
    expect(line.reasons).toEqual([reason]);
    expect(seconds).toBeGreaterThanOrEqual(least);
    expect(seconds).toBeLessThanOrEqual(most);
  });

  it("a SYN that nobody answered is given up in minutes", () => {
    const talk = new Conversation().open(["syn"]);
    const line = new Line(talk);
    talk.wait(-step);
    expect(line.secondsToEnd(300)).toBeLessThan(3 * MINUTE);
  });

  it("a session goes on while one of its subflows does, and ends half an hour behind that", () => {
    const talk = new Conversation().open().send(0, "a");
    const second = talk.join();
    const line = new Line(talk);
    talk.wait(-step);
    for (let n = 0; n < 100; n++) {
      talk.wait(60).send(0, "b", { on: second });
      line.take();
    }
    expect(line.reasons).toEqual([]);
    const seconds = line.secondsToEnd(4000);
    expect(line.reasons).toEqual(["idle"]);
    expect(seconds).toBeGreaterThanOrEqual(1799);
    expect(seconds).toBeLessThan(3600);
  });

  it("no session ends for a subflow that was closed long before", () => {
    const talk = new Conversation().open().send(0, "a");
    const second = talk.join();
    talk.fins(second);
    const line = new Line(talk);
    for (let minute = 0; minute < 200; minute++) {
      talk.wait(60).send(0, "b");
      line.take();
    }
    talk.wait(-step);
    const seconds = line.secondsToEnd(4000);
    expect(line.reasons).toEqual(["idle"]);
    expect(seconds).toBeGreaterThanOrEqual(1800);
  });

  it("it may be set back again, and no session that goes on ends", () => {
    const talk = new Conversation().open().send(0, "a");
    const line = new Line(talk);
    for (let n = 0; n < 20; n++) {
      talk.wait(-step);
      line.secondsToEnd(MINUTE);
      talk.send(0, "b");
      line.take();
    }
    expect(line.reasons).toEqual([]);
    expect(line.secondsToEnd(2 * 3600)).toBeLessThan(3600);
  });
});

it("where all places are taken, a session that is silent since a clock was set back gives way before those that go on", () => {
  const talks = Array.from({ length: 4 }, (_, n) =>
    new Conversation({
      keys: [Buffer.alloc(8, n + 1), Buffer.alloc(8, n + 101)],
      ends: [
        { ip: `10.1.0.${n + 1}`, port: 40_000 },
        { ip: "10.2.0.2", port: 443 },
      ],
      // The first is the one that was heard last before.
      atMicros: BEGIN - n * 1e6,
    }).open(),
  );
  const newest = talks.pop();
  const before = talks.flatMap((talk) => talk.send(0, "x").packets.splice(0));
  const after = talks.slice(1).flatMap((talk) => talk.wait(-DAY).send(0, "y").packets);
  const late = newest?.packets.map((packet) => ({ ...packet, atMicros: packet.atMicros - DAY * 1e6 + 5e6 })) ?? [];
  const found = run([...before, ...after, ...late], { bounds: { sessions: 4, subflows: 64 } }, 1);
  const evicted = found.records.filter(({ mptcp }) => mptcp.close?.reason === "evicted");
  expect(evicted.map(({ source }) => source.ip)).toEqual(["10.1.0.1"]);
});

describe("time that steps back a little, or for one packet,", () => {
  it.each([-5, -2 * MINUTE, -DAY])("moves no deadline: %i seconds", (step) => {
    const talk = new Conversation().open().send(0, "a");
    const line = new Line(talk);
    for (let minute = 0; minute < 25; minute++) {
      talk.wait(60);
      line.secondsToEnd(1);
    }
    const { atMicros } = talk;
    const other = new Conversation({
      ends: [
        { ip: "10.7.0.1", port: 1 },
        { ip: "10.7.0.2", port: 2 },
      ],
      atMicros: atMicros + step * 1e6,
    }).open(["syn"]);
    talk.packets.push(...other.packets);
    line.take();
    talk.atMicros = atMicros;
    const seconds = line.secondsToEnd(3600);
    expect(line.reasons).toEqual(["idle"]);
    expect(seconds).toBeGreaterThan(4 * MINUTE);
    expect(seconds).toBeLessThan(6 * MINUTE);
  });
});
