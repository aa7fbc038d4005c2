import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { type Run, run } from "../support/pipeline-run.ts";

const JOIN = [
  { ip: "10.1.9.1", port: 50_000 },
  { ip: "10.2.0.2", port: 443 },
] as const;
const OTHER_JOIN = [
  { ip: "10.1.8.1", port: 50_001 },
  { ip: "10.2.0.2", port: 443 },
] as const;
const ELSEWHERE = [
  { ip: "10.1.8.1", port: 50_001 },
  { ip: "10.2.7.2", port: 443 },
] as const;

/** The octets of one side's stream of the record, from the first one seen. */
const octetsOf = ({ records, streams }: Run, side: 0 | 1, of = 0): string => {
  const mptcp = records[of]?.mptcp;
  const stream = mptcp?.stream[side === 0 ? "initiator" : "responder"];
  return streams.of(mptcp?.session.id ?? "", side, (stream?.octets ?? 0) + (stream?.missing_octets ?? 0)).toString();
};

describe("a session whose initial subflow nobody sees", () => {
  /** Two joins that take turns, and nothing of the initial subflow. */
  function joined(ends: readonly (typeof JOIN | typeof OTHER_JOIN | typeof ELSEWHERE)[]): Conversation {
    const talk = new Conversation().open().send(0, "unseen ").send(1, "nor this ");
    talk.packets.splice(0);
    const on = ends.map((own, n) => talk.join({ ends: own, nonces: [n + 1, n + 9] }));
    for (const word of ["some ", "words ", "of it"]) for (const one of on) talk.send(0, word, { on: one });
    for (const one of on) talk.send(1, "answer", { on: one });
    talk.dataFin(0, on[0]).dataFin(1, on[0]);
    for (const one of on) talk.fins(one);
    return talk;
  }

  it("is one session, whose streams begin with the first octet seen", () => {
    const found = run(joined([JOIN, OTHER_JOIN]).packets);
    expect(found.records).toHaveLength(1);
    const record = sessionRecord.parse(found.records[0]);
    expect(record.mptcp.session.evidence).toBe("orphan");
    expect(record.mptcp.subflows).toHaveLength(2);
    expect(octetsOf(found, 0)).toBe("some some words words of itof it");
    expect(octetsOf(found, 1)).toBe("answeranswer");
    expect(record.mptcp.idsn).toEqual({ initiator: null, responder: null });
    expect(record.mptcp.stream.initiator).toMatchObject({
      missing_octets: 0,
      complete: false,
      sha256_unavailable: "first-octet-unknown",
    });
    expect(record.mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(record.rejoin).toBeUndefined();
  });

  it("is one session also where its joins have no address in common: their data sequence numbers have", () => {
    const found = run(joined([JOIN, ELSEWHERE]).packets);
    expect(found.records.map(({ mptcp }) => mptcp.subflows.length)).toEqual([2]);
    expect(octetsOf(found, 0)).toBe("some some words words of itof it");
  });

  it("begins with the lowest octet that came while its handshake was waited for", () => {
    const talk = joined([JOIN]);
    const first = talk.packets.findIndex(({ octets }) => Buffer.from(octets).includes("some"));
    const [packet] = talk.packets.splice(first, 1);
    if (packet === undefined) throw new Error("there is one");
    talk.packets.splice(first + 1, 0, { ...packet, atMicros: packet.atMicros + 1500 });
    expect(octetsOf(run(talk.packets), 0)).toBe("some words of it");
  });

  it("goes on after its handshake was waited for, and a new join is its own", () => {
    const talk = new Conversation().open();
    talk.packets.splice(0);
    const one = talk.join({ ends: JOIN });
    talk.send(0, "before ", { on: one }).wait(15).send(0, "after ", { on: one });
    const two = talk.join({ ends: OTHER_JOIN, nonces: [5, 6] });
    const found = run(talk.send(0, "and on", { on: two }).packets);
    expect(found.records).toHaveLength(1);
    expect(octetsOf(found, 0)).toBe("before after and on");
  });

  it("of two servers with one token are two", () => {
    const made = [1, 2].map((n) => {
      const talk = new Conversation({ keys: [Buffer.alloc(8, n), Buffer.alloc(8, 40 + n)] }).open();
      talk.packets.splice(0);
      const on = talk.join({ ends: n === 1 ? JOIN : ELSEWHERE, token: 0x01020304 });
      return talk.send(0, `of server ${n}`, { on });
    });
    const found = run(made.flatMap(({ packets }) => packets));
    expect([octetsOf(found, 0, 0), octetsOf(found, 0, 1)].sort()).toEqual(["of server 1", "of server 2"]);
  });

  it("places octets that are more than there is room to hold", () => {
    const talk = new Conversation().open();
    talk.packets.splice(0);
    const on = talk.join({ ends: JOIN });
    for (let n = 0; n < 9000; n++) talk.send(0, Buffer.alloc(1400, n), { on });
    const [record] = run(talk.packets).records;
    expect(record?.mptcp.stream.initiator).toMatchObject({ octets: 9000 * 1400, missing_octets: 0 });
    expect(record?.rejoin).toBeUndefined();
  });

  it("is not told without `partial`, and its octets are not placed", () => {
    const { records, totals } = run(joined([JOIN]).packets, { partial: false });
    expect(records).toEqual([]);
    expect(totals.sessions.partial).toBe(1);
  });
});

describe("a subflow whose SYN/ACK was not seen", () => {
  it.each([0, 1] as const)("and not the first octets of side %i: later ones are where they belong", (side) => {
    const talk = new Conversation().open();
    const [syn, , ack] = talk.packets.splice(0);
    talk.send(side, "missed ").send(side, "seen").send(side, " too").packets.shift();
    const packets = side === 1 ? [syn, ...talk.packets] : [syn, ack, ...talk.packets];
    const found = run(packets.filter((packet) => packet !== undefined));
    const { mptcp } = sessionRecord.parse(found.records[0]);
    const stream = mptcp.stream[side === 0 ? "initiator" : "responder"];
    const placed = found.streams.of(mptcp.session.id, side, 15).toString();
    // Without the key nobody knows where the stream began; with it nothing stands at its beginning.
    expect(stream.contiguous === 0 || stream.octets === 0).toBe(true);
    if (stream.octets > 0) expect(placed.slice(7)).toBe("seen too");
  });
});

describe("a subflow met in the middle", () => {
  /** Segments of `size` octets under mappings of four of them, repeated on each, without the first `skipped` packets. */
  function middle(skipped: number, isn: readonly [number, number] = [1_000_000, 2_000_000]): [Conversation, string] {
    const talk = new Conversation({ isn }).open();
    let text = "";
    for (let n = 0; n < 10; n++) {
      const words = [0, 1, 2, 3].map((part) => `${n}.${part} `.padEnd(8));
      const begin = talk.initial.next[0];
      const mapping = option.dss({
        ack: talk.dsn(1, 0),
        dsn: talk.dsn(0, talk.offset[0]),
        ssn: begin,
        length: 32,
      });
      for (const word of words) talk.segment(talk.initial, 0, ACK, [mapping], Buffer.from(word));
      talk.offset[0] += 32;
      text += words.join("");
    }
    talk.packets.splice(0, skipped);
    return [talk, text];
  }

  it.each([4, 5, 6, 7, 8, 9, 10])(
    "without its first %i packets: octets are where they belong, or not placed",
    (skipped) => {
      const [talk, text] = middle(skipped);
      const found = run(talk.packets);
      const record = sessionRecord.parse(found.records[0]);
      expect(found.records).toHaveLength(1);
      expect(record.mptcp).toMatchObject({ session: { evidence: "midstream" }, subflows: [{ kind: "unknown" }] });
      expect(record.source.port).toBe(40_000);
      const seen = octetsOf(found, 0);
      // All but the mappings during which the numbering was not known.
      expect(text.endsWith(seen)).toBe(true);
      expect(seen.length).toBeGreaterThanOrEqual(text.length - 3 * 32);
    },
  );

  it("across the wrap of TCP's sequence numbers", () => {
    const [talk, text] = middle(6, [2 ** 32 - 150, 2_000_000]);
    const seen = octetsOf(run(talk.packets), 0);
    expect(text.endsWith(seen)).toBe(true);
    expect(seen.length).toBeGreaterThan(200);
  });

  it("ends by DATA_FIN, and by a fast close", () => {
    const [talk] = middle(6);
    const closed = talk.send(1, "x").close();
    expect(run(closed.packets).records[0]?.mptcp.close).toEqual({ reason: "fin", by: "both" });
    const [aborted] = middle(6);
    aborted.segment(aborted.initial, 0, ACK, [option.fastclose(aborted.keys[1])]);
    expect(run(aborted.packets).records[0]?.mptcp.close).toEqual({ reason: "fastclose", by: "initiator" });
  });

  it.each([1, 64])("is plain TCP: octets whose place nothing tells are not placed (%i to a vector)", (batch) => {
    // The low half of this responder's numbers is a place ahead of those that nothing maps.
    const keys = [Buffer.alloc(8, 1), Buffer.alloc(8, 6)] as const;
    const talk = new Conversation({ keys }).open(["syn", "syn-ack"]);
    const [, answer] = talk.packets.splice(0);
    expect(talk.dsn(1, 0) % 2n ** 32n).toBeLessThan(2n ** 31n);
    talk.send(0, "one ").send(1, "uno ");
    talk.packets.splice(-1, 1);
    if (answer !== undefined) talk.packets.push(answer);
    const infinite = (side: 0 | 1, octets: string) => {
      const mapping = { ack: 1n, dsn: talk.dsn(side, 4), ssn: 5, length: 0 };
      talk.segment(talk.initial, side, ACK, [option.dss(mapping)], Buffer.from(octets), 5);
    };
    infinite(0, "two ");
    talk.segment(talk.initial, 1, ACK, [], Buffer.from("tres "), 9);
    infinite(1, "dos ");
    talk.segment(talk.initial, 1, ACK, [], Buffer.from("cuatro"), 14);
    const found = run(talk.packets, {}, batch);
    expect(found.records[0]?.mptcp).toMatchObject({
      session: { evidence: "midstream" },
      fallback: { cause: "infinite-mapping" },
    });
    const { octets, contiguous } = found.records[0]?.mptcp.stream.responder ?? {};
    // Those that came before their mapping have their place where the mapping came in the same vector.
    const isLate = batch === 1;
    expect([octets, contiguous]).toEqual(isLate ? [10, 4] : [15, 15]);
    expect(octetsOf(found, 1)).toBe(isLate ? "dos \0\0\0\0\0cuatro" : "dos tres cuatro");
    expect(found.records[0]?.rejoin?.shed).toEqual({ octets: 5 });
  });

  it("has as initiator the end with the higher port, whoever is seen first", () => {
    const [talk] = middle(6);
    const answers = new Conversation().open().send(1, "answer").packets.slice(3);
    const found = run([...answers, ...talk.packets]);
    expect(found.records[0]?.source.port).toBe(40_000);
  });
});
