import { describe, expect, it } from "vitest";
import type { Chunk } from "../../src/pipeline.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, finished, option, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";
import { type RetoldPacket, retell, tell } from "./retold.ts";

const CLIENT = "10.1.0.1:40000";
const SERVER = "10.2.0.2:443";
const OTHER = { keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)], isn: [9_000_000, 8_000_000] } as const;
const OTHER_ENDS = [
  { ip: "10.1.0.9", port: 9 },
  { ip: "10.2.0.2", port: 443 },
] as const;

/** A packet as one line: who, flags, numbers relative to the first of each side, payload. */
function lines(told: readonly RetoldPacket[]): string[] {
  const first = new Map<string, number>();
  for (const { from, seq } of told) if (!first.has(from)) first.set(from, seq);
  const relative = (end: string, number: number) => (number - (first.get(end) ?? 0)) >>> 0;
  return told.map(
    ({ from, to, flags, seq, ack, payload }) =>
      `${from === CLIENT ? ">" : "<"} ${flags} ${relative(from, seq)} ${flags.includes("A") ? relative(to, ack) : 0} ${payload}`,
  );
}

const HANDSHAKE = ["> S 0 0 ", "< SA 0 1 ", "> A 1 1 "];

describe("a session told again as one TCP connection", () => {
  it.each([1, 5, 64])("has a handshake, what both sides said in turn, and an end; %i packets to a vector", (batch) => {
    const talk = new Conversation().open();
    talk.send(0, "HELO ").send(0, "a\n").send(1, "250 b\n").send(0, "QUIT\n").send(1, "221 bye\n").close();
    expect(lines(retell(talk.packets, {}, batch))).toEqual([
      ...HANDSHAKE,
      "> AP 1 1 HELO a\n",
      "< A 1 8 ",
      "< AP 1 8 250 b\n",
      "> A 8 7 ",
      "> AP 8 7 QUIT\n",
      "< A 7 13 ",
      "< AP 7 13 221 bye\n",
      "> A 13 15 ",
      "> AF 13 15 ",
      "< A 15 14 ",
      "< AF 15 14 ",
      "> A 14 16 ",
    ]);
  });

  it("has the octets of all subflows, between the ends of the first", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.send(0, "on the first, ").send(0, "on the second, ", { on: joined }).send(0, "and again").close();
    const told = retell(talk.packets);
    expect(new Set(told.map(({ from, to }) => `${from} ${to}`))).toEqual(
      new Set([`${CLIENT} ${SERVER}`, `${SERVER} ${CLIENT}`]),
    );
    expect(lines(told)[3]).toBe("> AP 1 1 on the first, on the second, and again");
  });

  it("is between the ends of the initial subflow also where a join was seen before it", () => {
    const talk = new Conversation().open();
    const handshake = talk.packets.splice(0);
    const joined = talk.join();
    const joining = talk.packets.splice(0);
    talk.packets.push(...[...joining, ...handshake].map((packet, n) => ({ ...packet, atMicros: 1e12 + n * 100 })));
    talk.atMicros = 1e12 + 1e4;
    const told = retell(talk.send(0, "on both ").send(0, "of them", { on: joined }).packets);
    expect(lines(told)[3]).toBe("> AP 1 1 on both of them");
  });

  it("numbers its octets from the first subflow's initial sequence numbers on", () => {
    const talk = new Conversation().open().send(0, "x").close();
    const [syn, answer] = retell(talk.packets);
    expect([syn?.seq, answer?.seq]).toEqual([...talk.initial.isn]);
  });

  it("sends no more in a packet than an Ethernet frame holds, with right checksums", () => {
    const talk = new Conversation().open();
    for (let n = 0; n < 4; n++) talk.send(0, "y".repeat(1000));
    const told = retell(talk.close().packets);
    expect(told.map(({ payload }) => payload.length).filter((length) => length > 0)).toEqual([1460, 1460, 1080]);
    for (const { octets } of told) {
      expect(octets).toEqual(finished(octets));
      expect(octets.readUInt16BE(2)).toBe(octets.length);
      let sum = 0;
      for (let at = 0; at < 20; at += 2) sum += octets.readUInt16BE(at);
      expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff);
    }
  });

  it("leaves out what is missing, as octets that were sent and not seen", () => {
    const talk = new Conversation().open().send(0, "seen");
    const before = talk.packets.length;
    talk.send(0, "missed");
    talk.packets.splice(before, 1);
    talk.send(0, "seen again").close();
    expect(lines(retell(talk.packets)).slice(3, 7)).toEqual([
      "> AP 1 1 seen",
      "< A 1 5 ",
      "> AP 11 1 seen again",
      "< A 1 21 ",
    ]);
  });

  it("steps over no more than a window can be", () => {
    const talk = new Conversation().open().send(0, "before");
    talk.offset[0] += 3e9;
    expect(lines(retell(talk.send(0, "far behind").packets)).slice(3)).toEqual([
      "> AP 1 1 before",
      "< A 1 7 ",
      `> AP ${7 + 2 ** 29} 1 far behind`,
      `< A 1 ${17 + 2 ** 29} `,
    ]);
  });

  it("waits for octets that come late, also among the very first packets", () => {
    const talk = new Conversation().open().send(0, "first, ").send(0, "second");
    const [late] = talk.packets.splice(3, 1);
    if (late === undefined) throw new Error("it was sent");
    talk.packets.push({ ...late, atMicros: talk.atMicros });
    expect(lines(retell(talk.close().packets, {}, 4))[3]).toBe("> AP 1 1 first, second");
  });

  it("has the octets of a SYN, too (RFC 7413)", () => {
    const talk = new Conversation();
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.from("early "), -6);
    talk.initial.next[0] = 1;
    talk.open(["syn-ack", "ack"]).send(0, "and late").close();
    const told = retell(talk.packets);
    expect(lines(told).slice(0, 4)).toEqual([...HANDSHAKE, "> AP 1 1 early and late"]);
    expect(told[0]?.seq).toBe(talk.initial.isn[0] - 6);
  });

  it("is none where a SYN's octets were accepted and the handshake was not, whenever they would be told", () => {
    const talk = new Conversation();
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.from("early "), -6);
    talk.initial.next[0] = 1;
    talk.open(["syn-ack"]);
    expect(retell(talk.packets)).toEqual([]);
    talk.wait(5);
    const other = new Conversation({ ...OTHER, ends: OTHER_ENDS, atMicros: talk.atMicros }).open();
    expect(new Set(retell([...talk.packets, ...other.packets]).map(({ from }) => from))).toEqual(
      new Set(["10.1.0.9:9", SERVER]),
    );
    talk.atMicros = other.atMicros;
    talk.open(["ack"]).close();
    const late = [...talk.packets.slice(0, 2), ...other.packets, ...talk.packets.slice(2)];
    const mine = retell(late, {}, 1).filter(({ from, to }) => from === CLIENT || to === CLIENT);
    expect(lines(mine).slice(0, 4)).toEqual([...HANDSHAKE, "> AP 1 1 early "]);
  });

  it("lacks what a SYN brought where too much of others waits, and that is counted", () => {
    const [sessions, octets] = [2900, 1460] as const;
    const talks = Array.from({ length: sessions }, (_, n) => {
      const client = { ip: `10.1.${n >> 8}.${n & 255}`, port: 9 };
      const word = Buffer.of(n >> 8, n & 255);
      const keys = [Buffer.alloc(8, word), Buffer.alloc(8, Buffer.of(255, ...word))] as const;
      const talk = new Conversation({ ends: [client, OTHER_ENDS[1]], keys, atMicros: BEGIN + n });
      talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.alloc(octets, word), -octets);
      talk.initial.next[0] = 1;
      return talk.open(["syn-ack"]).wait(5).open(["ack"]);
    });
    const parts = [
      talks.flatMap(({ packets }) => packets.slice(0, 2)),
      talks.flatMap(({ packets }) => packets.slice(2)),
    ];
    // So few windows that others have had each of them since.
    const bounds = { sessions: 4096, subflows: 4096, streamWindows: 64 };
    const { told, untold } = tell(parts.flat(), { bounds, octets: null, digest: false }, 1);
    // The first one is a session when time passes.
    const shed = sessions - 1 - Math.floor((4 * 1024 * 1024) / octets);
    const withOctets = told.filter(({ payload }) => payload.length > 0);
    expect([untold, withOctets.length]).toEqual([shed * octets, sessions - shed]);
    for (const { from, payload } of withOctets) {
      const [, , high, low] = from.split(/[.:]/).map(Number);
      expect(payload.equals(Buffer.alloc(octets, Buffer.of(high ?? 0, low ?? 0)))).toBe(true);
    }
  });

  it("says that octets at the end of a stream are missing, as far as its end or its receiver tells", () => {
    const talk = new Conversation().open().send(0, "seen").send(0, "missed");
    talk.packets.pop();
    // Acknowledged, and with the DATA_FIN.
    for (const end of [0, 1]) {
      const ack = talk.dsn(0, 10 + end);
      talk.dataFin(0).segment(talk.initial, 1, ACK, [option.dss({ ack })]);
    }
    const open = lines(retell(talk.packets));
    expect(open.slice(3)).toEqual(["> AP 1 1 seen", "< A 1 5 ", "< A 1 11 "]);
    const over = lines(retell(talk.close().packets));
    expect(over.slice(3, 7)).toEqual(["> AP 1 1 seen", "< A 1 5 ", "< A 1 11 ", "> AF 11 1 "]);
  });

  it.each([
    ["the initiator", 0, "> AR 4 7 "],
    ["the responder", 1, "< AR 7 4 "],
  ] as const)("ends with a RST where %s aborted", (_, side, last) => {
    const talk = new Conversation().open().send(0, "ask").send(1, "answer").reset(side).wait(70);
    expect(lines(retell(talk.packets)).at(-1)).toBe(last);
  });

  it("does not end where nobody ended it", () => {
    const talk = new Conversation().open().send(0, "ask").send(1, "answer");
    expect(lines(retell(talk.packets)).at(-1)).toBe("> A 4 7 ");
  });

  it("goes on as plain TCP did behind a fallback", () => {
    const talk = new Conversation().open(["syn"]);
    talk.segment(talk.initial, 1, SYN | ACK).segment(talk.initial, 0, ACK);
    talk.segment(talk.initial, 0, ACK, [], Buffer.from("plain")).segment(talk.initial, 1, ACK, [], Buffer.from("too"));
    expect(lines(retell(talk.packets)).slice(3)).toEqual(["> AP 1 1 plain", "< A 1 6 ", "< AP 1 6 too", "> A 6 4 "]);
  });

  it("is told in time, which does not step back from one session to the other", () => {
    const one = new Conversation().open().send(0, "1".repeat(33_000));
    const two = new Conversation({ atMicros: one.atMicros + 500, keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)] });
    const ends = [
      { ip: "10.1.0.9", port: 9 },
      { ip: "10.2.0.2", port: 443 },
    ] as const;
    Object.assign(two, { initial: { ...two.initial, ends } });
    two.open().send(0, "2".repeat(33_000));
    one.wait(0.5).send(0, "1");
    // In one vector: what is full of the first is told with the time of its newest packet, which comes after the second.
    const packets = [...one.packets, ...two.packets].sort((a, b) => a.atMicros - b.atMicros);
    const told = retell(packets);
    const times = told.map(({ atMicros }) => atMicros);
    expect(`${told.find(({ payload }) => payload.length > 0)?.payload}`).toMatch(/^1+$/);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBe(packets[0]?.atMicros);
    expect(times.at(-1)).toBe(packets.at(-1)?.atMicros);
  });

  it.each([1, 64])(
    "is told at the times of its packets, however long nothing came; %i packets to a vector",
    (batch) => {
      const talk = new Conversation().open().send(0, "ask").wait(20).send(1, "answer").wait(100).close().wait(20);
      const told = retell(talk.packets, {}, batch);
      const seconds = (flags: string) =>
        told.filter((one) => one.flags === flags).map(({ atMicros }) => Math.floor((atMicros - BEGIN) / 1e6));
      expect([seconds("S"), seconds("AP"), seconds("AF")]).toEqual([[0], [0, 20], [120, 120]]);
    },
  );

  it("is not moved to a time that one packet states and no other", () => {
    const talk = new Conversation().open().send(0, "ask");
    talk.packets.push(...talk.packets.splice(3).map((packet) => ({ ...packet, atMicros: 4e15 })));
    const told = retell(talk.send(1, "answer").wait(2).send(0, "thanks").packets, {}, 1);
    expect(told.at(-1)?.atMicros).toBeLessThan(BEGIN + 1e7);
  });

  it("waits for a hole since it was seen, however long nothing came before it", () => {
    const talk = new Conversation().open().send(0, "a").wait(60).send(0, "b").send(0, "c");
    const [late] = talk.packets.splice(4, 1);
    talk.packets.push(...(late === undefined ? [] : [{ ...late, atMicros: talk.atMicros }]));
    const told = retell(talk.packets, {}, 5);
    expect(told.map(({ payload }) => `${payload}`).join("")).toBe("abc");
  });

  it.each([
    ["closed", (talk: Conversation) => talk.close(), ["> AF", "< A", "< AF", "> A"]],
    ["reset", (talk: Conversation) => talk.reset(1), ["< AR"]],
    ["replaced", (talk: Conversation) => talk, []],
  ] as const)("is all told, with its end, before another one between the same ends: %s", (_, end, last) => {
    const one = new Conversation().open().send(0, "one");
    end(one);
    const two = new Conversation({ ...OTHER, atMicros: one.wait(0.1).atMicros }).open().send(0, "two").close();
    const { told, untold } = tell([...one.packets, ...two.packets]);
    const begin = told.findLastIndex(({ flags }) => flags === "S");
    const before = lines(told.slice(0, begin)).map((line) => line.replace(/(\w) \d+ \d+ /, "$1"));
    expect(before).toEqual(["> S", "< SA", "> A", "> APone", "< A", ...last]);
    expect(lines(told.slice(begin)).slice(0, 4)).toEqual([...HANDSHAKE, "> AP 1 1 two"]);
    expect(untold).toBe(0);
  });

  it("is told no more, and that is counted, where another one has its ends while it goes on elsewhere", () => {
    const one = new Conversation().open();
    const joined = one.join();
    one.send(0, "one").fins();
    const two = new Conversation({ ...OTHER, atMicros: one.wait(0.1).atMicros }).open().send(0, "two");
    one.atMicros = two.atMicros;
    one.send(0, "goes on", { on: joined }).close(joined).wait(3);
    two.atMicros = one.atMicros;
    const { told, untold } = tell([...one.packets.slice(0, 10), ...two.packets, ...one.packets.slice(10)]);
    expect(told.map(({ payload }) => `${payload}`).filter(Boolean)).toEqual(["one", "two"]);
    expect(told.filter(({ flags }) => /[FR]/.test(flags))).toEqual([]);
    expect(untold).toBe("goes on".length);
  });

  it("is none of a session without handshake, unless those are asked for", () => {
    const talk = new Conversation().open().send(0, "unseen").send(0, "seen");
    talk.packets.splice(0, 4);
    talk.close();
    expect(retell(talk.packets)).toEqual([]);
    expect(lines(retell(talk.packets, { partial: true })).slice(0, 4)).toEqual([...HANDSHAKE, "> AP 1 1 seen"]);
  });

  it("is of IPv6 where the first subflow was", () => {
    const ends = [
      { ip: "2001:db8::1", port: 40_000 },
      { ip: "2001:db8::2", port: 443 },
    ] as const;
    const talk = new Conversation();
    Object.assign(talk, { initial: { ...talk.initial, ends } });
    const [syn, , , data] = retell(talk.open().send(0, "z".repeat(1450)).packets);
    expect([syn?.from, syn?.to]).toEqual(["2001:db8:0:0:0:0:0:1:40000", "2001:db8:0:0:0:0:0:2:443"]);
    expect(data?.payload.length).toBe(1440);
    expect(data?.octets.readUInt16BE(4)).toBe((data?.octets.length ?? 0) - 40);
  });

  it("changes nothing of records, totals and octets", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.send(0, "ask").send(1, "answer", { on: joined }).send(0, "more").close();
    const [alone, beside] = [{}, { plainTcp: () => {} }].map((options) => {
      const chunks: [string, number, string][] = [];
      const chunk = ({ sessionId, side, octets }: Chunk) =>
        chunks.push([sessionId, side, Buffer.from(octets).toString()]);
      const { records, totals, streams } = run(talk.packets, { ...options, revisions: "all", chunk });
      const id = records[0]?.mptcp.session.id ?? "";
      const sides = [0, 1].map((side) =>
        chunks
          .filter((one) => one[1] === side)
          .map((one) => one[2])
          .join(""),
      );
      return { records, totals, sides, octets: [streams.of(id, 0, 7), streams.of(id, 1, 6)] };
    });
    expect(beside).toEqual(alone);
    expect(alone?.sides).toEqual(["askmore", "answer"]);
  });
});
