import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { isMisplaced } from "../../src/subflow/plausibility.ts";
import * as events from "../../src/subflow/subflow-events.ts";
import { SubflowStage } from "../../src/subflow/subflow-stage.ts";
import { PacketVector } from "../../src/vector.ts";
import { DSS_DATA_FIN, DSS_MAPPING, MptcpOptions } from "../../src/wire/mptcp.ts";
import { forge } from "../session/forgery.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, FIN, option, PSH, RST, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

/** The records of a conversation, which do not depend on how its packets come in vectors. */
function recordsOf(...talks: Conversation[]): SessionRecord[] {
  const packets = talks.flatMap((talk) => talk.packets);
  const { records, totals } = run(packets, {}, 64);
  const one = run(packets, {}, 1);
  expect(one.records).toEqual(records);
  expect(one.totals).toEqual(totals);
  expect(Object.values(totals.packets).reduce((sum, count) => sum + count, 0)).toBe(packets.length);
  return records;
}

const ends = (records: SessionRecord[]): unknown[] =>
  records.map(({ mptcp }) => [
    mptcp.close?.reason,
    mptcp.subflows[0]?.close.reason,
    mptcp.stream.initiator.octets,
    mptcp.stream.responder.octets,
  ]);

const WHOLE = ["fin", "fin", 10, 8];
const begin = (): Conversation => new Conversation().open().send(0, "hello").send(1, "good day");
const end = (talk: Conversation): Conversation => talk.send(0, "again").close();

describe("segments that no host would take (RFC 9293 §3.10.7.4)", () => {
  it.each<[name: string, flags: number, away: number]>([
    ["RST ahead", RST, 2 ** 24 + 1],
    ["RST behind", RST, -(2 ** 24) - 1],
    ["RST with an acknowledgment", RST | ACK, 0x70000000],
    ["RST at the far side", RST, 2 ** 31],
  ])("%s: counted, and no more", (_, flags, away) => {
    for (const side of [0, 1] as const)
      expect(ends(recordsOf(end(forge(begin(), side, flags, away))))).toEqual([WHOLE]);
  });

  it("a RST near what was seen ends the subflow", () => {
    for (const away of [0, 2 ** 24 - 10, -(2 ** 24) + 10]) {
      const [record] = recordsOf(forge(begin(), 1, RST, away).wait(5));
      expect(record?.mptcp.subflows[0]?.close.reason).toBe("reset");
    }
  });

  it("FINs of both sides far away close nothing", () => {
    const talk = begin();
    forge(forge(talk, 0, FIN | ACK, 2 ** 25), 1, FIN | ACK, -(2 ** 25));
    const [record] = recordsOf(talk.dataFin(0).dataFin(1));
    expect(record?.mptcp.subflows[0]?.close.reason).toBe("open");
  });

  it.each([2 ** 30 + 100, -(2 ** 30) - 100, 2 ** 31])("octets %i away mean nothing, not even unmapped ones", (away) => {
    const talk = begin();
    const on = { ...talk.initial, next: [...talk.initial.next] as [number, number] };
    talk.send(0, "evil!", { on, ssn: on.next[0] + away });
    talk.offset[0] = 5;
    const [record] = recordsOf(end(talk));
    const [clean] = recordsOf(end(begin()));
    expect(record?.mptcp.stream).toEqual(clean?.mptcp.stream);
  });

  it.each([0, PSH, FIN])(
    "a segment without ACK, whose other flags are %i, says nothing, not even in its place",
    (flags) => {
      const talk = begin();
      const at = talk.initial.next[0];
      const mapping = option.dss({ dsn: talk.dsn(0, 5), ssn: at, length: 5 });
      talk.segment(talk.initial, 0, flags, [mapping], Buffer.from("evil!"));
      talk.initial.next[0] = at;
      const [record] = recordsOf(end(talk));
      const [clean] = recordsOf(end(begin()));
      expect(record?.mptcp.stream).toEqual(clean?.mptcp.stream);
      expect(record?.mptcp.subflows[0]).toMatchObject({ implausible_segments: 1, contradicting_mappings: 0 });
    },
  );

  it("nor opens one a flow", () => {
    const ghost = new Conversation({ ends: [{ ip: "10.9.0.1", port: 9 }, begin().initial.ends[1]] });
    for (const flags of [0, PSH, FIN, SYN | RST, SYN | FIN])
      ghost.segment(ghost.initial, 0, flags, [option.capable(1)]);
    expect(run(ghost.packets).totals.packets).toEqual({ "subflow/plain-tcp": 5 });
  });

  it("octets out of order acknowledge something near, too", () => {
    const forged = (ack: number): SessionRecord | undefined => {
      const talk = begin();
      const isn: [number, number] = [talk.initial.isn[0], ack];
      const on = { ...talk.initial, isn, next: [...talk.initial.next] as [number, number] };
      talk.send(0, "evil!", { on, ssn: on.next[0] + 5 });
      talk.offset[0] = 5;
      return recordsOf(end(talk))[0];
    };
    expect(forged(0x70000000)?.mptcp.stream).toEqual(recordsOf(end(begin()))[0]?.mptcp.stream);
    expect(forged(0x70000000)?.mptcp.subflows[0]?.implausible_segments).toBe(1);
    expect(forged(begin().initial.isn[1])?.mptcp.subflows[0]?.implausible_segments).toBeUndefined();
  });

  it("of one direction alone octets come in whatever order", () => {
    const talk = new Conversation().open().send(0, "hello").send(0, "again").send(0, "and on").close();
    const own = talk.packets.filter(({ octets }) => Buffer.from(octets).readUInt16BE(20) === talk.initial.ends[0].port);
    own.splice(3, 0, ...own.splice(4, 1));
    expect(run(own).records[0]?.mptcp.stream.initiator.octets).toBe(16);
  });

  it("made-up octets do not lock a subflow's own ones out, nor its end", () => {
    const talk = begin();
    for (const away of [2 ** 30 - 10, 2 ** 30 - 10, 2 ** 31, -(2 ** 30) + 10]) forge(talk, 0, ACK, away, "evil!");
    for (let n = 0; n < 20; n++) talk.send(0, "more.");
    expect(ends(recordsOf(end(talk)))).toEqual([["fin", "fin", 110, 8]]);
  });

  it("behind a gap of 3 GB the subflow is found again", () => {
    const talk = begin();
    talk.initial.next[0] += 3 * 2 ** 30;
    for (let n = 0; n < 400; n++) talk.send(0, "12345");
    const [record] = recordsOf(talk.close());
    expect(record?.mptcp.subflows[0]?.close.reason).toBe("fin");
    expect(record?.mptcp.stream.initiator.octets).toBeGreaterThan(1000);
  });
});

describe("SYN/ACKs", () => {
  it.each<[name: string, isn: [number, number]]>([
    ["with other numbers", [77, 88]],
    ["with another ISN, and the right acknowledgment", [1_000_000, 88]],
  ])("%s on an open subflow move nothing", (_, isn) => {
    const talk = begin();
    const forged = { ends: talk.initial.ends, opener: 0 as const, isn, next: [1, 1] as [number, number] };
    talk.segment(forged, 1, SYN | ACK, [option.capable(1, [Buffer.alloc(8, 9)])]);
    talk.segment(forged, 0, SYN | ACK);
    const [record] = recordsOf(end(talk));
    const [clean] = recordsOf(end(begin()));
    expect(record?.mptcp.stream).toEqual(clean?.mptcp.stream);
    expect(record?.mptcp.token).toEqual(clean?.mptcp.token);
  });

  it("before the true one: one that acknowledges another SYN counts for nothing", () => {
    const talk = new Conversation().open(["syn"]);
    const forged = {
      ends: talk.initial.ends,
      opener: 0 as const,
      isn: [77, 88] as const,
      next: [1, 1] as [number, number],
    };
    talk.segment(forged, 1, SYN | ACK).segment(forged, 0, SYN | ACK);
    talk.open(["syn-ack", "ack"]).send(0, "hello").send(1, "good day");
    expect(ends(recordsOf(end(talk)))).toEqual([WHOLE]);
  });

  it("may acknowledge the octets of a SYN too (RFC 7413)", () => {
    const talk = new Conversation();
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.from("early"));
    talk.initial.next[0] = 6;
    talk.open(["syn-ack", "ack"]);
    const [record] = recordsOf(talk.close());
    expect(record?.mptcp.subflows[0]?.close.reason).toBe("fin");
    expect(record?.mptcp.fallback).toBe(null);
  });
});

describe("a SYN that comes again without its octets, because the answer to it was lost (RFC 7413 §4.1.3)", () => {
  /** How many segments of a fast open's subflow no host would take, and how it ended; its SYN comes again at `ssn`. */
  const again = (ssn: number): unknown => {
    const talk = new Conversation();
    // As in test/session/fast-open.test.ts: relative number 1 is the octet behind those that were acknowledged.
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.from("early"), -5);
    talk.initial.next[0] = 1;
    talk.open(["syn-ack"]);
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.alloc(0), ssn);
    const records = recordsOf(talk.open(["ack"]).send(0, "hello").send(1, "good day").close());
    return records.map(({ mptcp }) => [
      mptcp.subflows[0]?.implausible_segments ?? 0,
      mptcp.close?.reason,
      mptcp.stream.initiator.octets,
    ]);
  };

  it("is the one that opened the subflow", () => expect(again(-5)).toEqual([[0, "fin", 10]]));

  it.each([-6, -4])("is not, where it has another number (%i)", (ssn) => expect(again(ssn)).toEqual([[1, "fin", 10]]));
});

describe("a SYN with another ISN", () => {
  const SECOND = { keys: [Buffer.alloc(8, 7), Buffer.alloc(8, 8)], isn: [9_000_000, 9_500_000] } as const;
  const second = ({ atMicros }: Conversation): Conversation =>
    new Conversation({ ...SECOND, atMicros }).open().send(0, "second").close();

  it("alone takes nothing over, however often it comes", () => {
    const talk = begin();
    for (const isn of [77, 78, 79]) {
      const forged = {
        ends: talk.initial.ends,
        opener: 0 as const,
        isn: [isn, 0] as const,
        next: [1, 1] as [number, number],
      };
      talk.segment(forged, 0, SYN, [option.capable(1)]);
    }
    talk.segment({ ...talk.initial, isn: [78, 55], next: [1, 1] }, 1, SYN | ACK, [
      option.capable(1, [Buffer.alloc(8)]),
    ]);
    expect(ends(recordsOf(end(talk)))).toEqual([WHOLE]);
  });

  it.each([RST, FIN])("that is also a RST or FIN (%i) is none", (flag) => {
    const reset = begin().reset(1);
    const unanswered = new Conversation().open(["syn"]);
    for (const talk of [reset, unanswered]) {
      const forged = { ...talk.initial, isn: [77, 88] as const, next: [1, 1] as [number, number] };
      talk.segment(forged, 0, SYN | flag, [option.capable(1)]);
    }
    unanswered.open(["syn-ack", "ack"]).send(0, "hello").send(1, "good day");
    expect(ends(recordsOf(reset))).toEqual([["reset", "reset", 5, 8]]);
    expect(run(reset.packets).totals.sessions.opened).toBe(1);
    expect(ends(recordsOf(end(unanswered)))).toEqual([WHOLE]);
  });

  it("takes over once it is answered: the second session begins with its SYN/ACK", () => {
    const first = begin();
    const records = recordsOf(first, second(first));
    expect(ends(records)).toEqual([
      ["replaced", "replaced", 5, 8],
      ["fin", "fin", 6, 0],
    ]);
    expect(records[1]?.mptcp.token.initiator).not.toBe(null);
  });

  it("takes over at once when the flow was reset, never answered or quiet for a minute", () => {
    const reset = begin().reset(1);
    const unanswered = new Conversation().open(["syn"]);
    const quiet = begin().wait(61);
    for (const first of [reset, unanswered, quiet]) {
      const next = new Conversation({ ...SECOND, atMicros: first.atMicros }).open(["syn"]);
      // Its SYN/ACK was not seen: only the SYN can have told.
      next
        .segment(next.initial, 0, ACK, [option.capable(1, SECOND.keys)])
        .send(0, "second")
        .close();
      const records = recordsOf(first, next);
      expect(ends(records).at(-1)).toEqual(["fin", "fin", 6, 0]);
    }
    const still = begin().wait(58);
    const forged = {
      ends: still.initial.ends,
      opener: 0 as const,
      isn: [77, 0] as const,
      next: [1, 1] as [number, number],
    };
    still.segment(forged, 0, SYN);
    expect(ends(recordsOf(end(still)))).toEqual([WHOLE]);
  });
});

describe("options behind a DSS", () => {
  it("an option of three octets is one, and no padding", () => {
    const talk = new Conversation().open();
    const dss = option.dss({ ack: 1 });
    talk.segment(talk.initial, 0, ACK, [Buffer.from([1]), dss, Buffer.from([30, 3, 0x50])]);
    talk.segment(talk.initial, 0, ACK, [Buffer.from([1]), dss, Buffer.from([1, 1, 0])]);
    const agents = new Agents(null);
    agents.addSource("a");
    const decapsulation = new Decapsulation(agents, null);
    const stage = new SubflowStage({ subflows: 16, watchedSubflows: 16, roundTrips: 16 }, 1);
    const vector = new PacketVector();
    // One to a vector: a subflow that was opened in the same one does not go the short way.
    const kinds = talk.packets.map(({ octets, wire, atMicros }) => {
      vector.use(Uint8Array.from(octets));
      vector.add(0, octets.length, wire, atMicros, 101, 0);
      decapsulation.process(vector);
      stage.process(vector);
      return stage.events.kind[0];
    });
    expect(kinds.slice(3)).toEqual([events.HAS_DSS | events.OPTIONS, events.HAS_DSS]);
  });
});

describe("a mapping stands on a segment with octets that it does not map", () => {
  const stated = (fields: Partial<MptcpOptions>) => Object.assign(new MptcpOptions(), { dss: DSS_MAPPING, ...fields });

  it.each<[misplaced: boolean, what: string, fields: Partial<MptcpOptions>, ssn: number, payload: number]>([
    [false, "its own", { ssn: 100, dataLength: 10 }, 100, 10],
    [false, "a longer one's first segment", { ssn: 100, dataLength: 30 }, 100, 10],
    [false, "a longer one's last segment", { ssn: 100, dataLength: 30 }, 120, 10],
    [false, "its own, over the wrap", { ssn: 0xffff_fffe, dataLength: 10 }, 4, 4],
    [false, "one that ends with a DATA_FIN", { ssn: 100, dataLength: 11, dss: DSS_MAPPING | DSS_DATA_FIN }, 100, 10],
    [false, "an infinite one", { ssn: 1, dataLength: 0 }, 100, 10],
    [false, "that of a MP_CAPABLE", { ssn: 1, dataLength: 5, capableMapping: true }, 1, 10],
    [false, "one without payload", { ssn: 100, dataLength: 10 }, 0, 0],
    [true, "the next segment's", { ssn: 110, dataLength: 10 }, 100, 10],
    [true, "the one before", { ssn: 90, dataLength: 10 }, 100, 10],
    [true, "one that begins in it", { ssn: 101, dataLength: 10 }, 100, 10],
    [true, "one that ends in it", { ssn: 100, dataLength: 9 }, 100, 10],
    [true, "one of which a DATA_FIN is the last octet", { ssn: 100, dataLength: 10, dss: DSS_DATA_FIN }, 100, 10],
  ])("%s: %s", (misplaced, _, fields, ssn, payload) => {
    expect(isMisplaced(stated(fields), ssn, payload)).toBe(misplaced);
  });
});
