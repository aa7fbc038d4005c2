import { describe, expect, it } from "vitest";
import { type RewrittenRecord, sessionRecord } from "../../schema/session-record.ts";
import { Differences } from "../../src/subflow/differences.ts";
import { Rewritings } from "../../src/subflow/rewritings.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const V6 = [
  { ip: "2001:db8::1", port: 40_000 },
  { ip: "2001:db8::2", port: 443 },
] as const;

type Change = (octets: Buffer, ip: { header: number; isIpv4: boolean }, n: number) => void;

/** Every packet of a session copied by agent a and, a tenth of a millisecond later, behind a router that does `change`, by b. */
function behind(talk: Conversation, change: Change, micros = 100): RunPacket[] {
  return talk.packets.flatMap((packet, n) => {
    const octets = Buffer.from(packet.octets);
    const isIpv4 = (octets[0] ?? 0) >> 4 === 4;
    const hops = isIpv4 ? 8 : 7;
    octets[hops] = (octets[hops] ?? 0) - 1;
    change(octets, { header: isIpv4 ? 20 : 40, isIpv4 }, n);
    const first: RunPacket = { ...packet, source: 0 };
    const second: RunPacket = { ...packet, octets, wire: octets.length, source: 1, atMicros: packet.atMicros + micros };
    return micros < 0 ? [second, first] : [first, second];
  });
}

const conversation = (ends?: typeof V6): Conversation =>
  new Conversation(ends === undefined ? {} : { ends })
    .open()
    .send(0, "a question of some length")
    .send(1, "an answer")
    .send(0, "and another")
    .close();

/** Overwrites MPTCP options with NOPs. */
const strip: Change = (octets, { header }) => {
  const end = header + ((octets[header + 12] ?? 0) >> 4) * 4;
  for (let at = header + 20; at < end; ) {
    const length = octets[at] === 1 ? 1 : (octets[at + 1] ?? 1);
    if (octets[at] === 30) octets.fill(1, at, at + length);
    at += length;
  }
};

/** Sets the six bits of DSCP and the two of ECN. */
const mark =
  (bits: number): Change =>
  (octets, { isIpv4 }) => {
    if (isIpv4) octets[1] = bits;
    else octets.writeUInt16BE(0x6000 | (bits << 4), 0);
  };

const told = (packets: RunPacket[]): readonly RewrittenRecord[] | undefined => {
  const { records, totals } = run(packets, {}, 1);
  expect(records).toHaveLength(1);
  expect(totals.packets["subflow/mirror-duplicate"]).toBe(packets.length / 2);
  // However the packets are put into vectors.
  expect(run(packets, {}, 64).records).toEqual(records);
  return records[0]?.mptcp.rewritten;
};

describe.each([
  ["IPv4", undefined],
  ["IPv6", V6],
] as const)("%s: between two agents", (_, ends) => {
  it("nothing is told of what routers do: hops, congestion marks on packets that may carry them", () => {
    const talk = conversation(ends);
    for (const packet of talk.packets) mark(2)(packet.octets as Buffer, { header: 0, isIpv4: ends === undefined }, 0);
    expect(told(behind(talk, mark(3)))).toEqual([]);
  });

  it("a congestion mark on packets that may not carry it is told, and one taken off", () => {
    expect(told(behind(conversation(ends), mark(3)))).toMatchObject([
      { kind: "ecn", side: "initiator", between: ["a", "b"], first: { ssn: 0, before: "00", after: "03" } },
      { kind: "ecn", side: "responder", between: ["a", "b"] },
    ]);
  });

  it("DSCP", () => {
    const change: Change = (octets, ip, n) => {
      if (n === 3 || n === 5) mark(0xb8)(octets, ip, n);
    };
    expect(told(behind(conversation(ends), change))).toEqual([
      {
        kind: "dscp",
        subflow: 0,
        side: "initiator",
        between: ["a", "b"],
        packets: 2,
        first: { at: expect.any(String), ssn: 1, before: "00", after: "b8" },
      },
    ]);
  });

  it("options taken off the SYN/ACK, and off data", () => {
    const change: Change = (octets, ip, n) => {
      if (n === 1 || n === 3) strip(octets, ip, n);
    };
    expect(told(behind(conversation(ends), change))).toMatchObject([
      { kind: "option-stripped", side: "responder", packets: 1, first: { ssn: 0, before: null, after: null } },
      { kind: "option-stripped", side: "initiator", packets: 1, first: { ssn: 1 } },
    ]);
  });

  it("a key changed in the SYN/ACK: which option, and no octet of it", () => {
    const change: Change = (octets, { header }, n) => {
      if (n === 1) octets[header + 20 + 11] = 0x55;
    };
    const [one] = told(behind(conversation(ends), change)) ?? [];
    expect(one).toMatchObject({ kind: "option-changed", side: "responder", first: { before: null, after: null } });
  });

  it("payload: from the first octet that differs", () => {
    const change: Change = (octets, _ip, n) => {
      if (n === 3) octets.write("LENGTH", octets.length - 6);
    };
    expect(told(behind(conversation(ends), change))).toMatchObject([
      {
        kind: "payload",
        packets: 1,
        first: {
          ssn: 1 + "a question of some ".length,
          before: Buffer.from("length").toString("hex"),
          after: Buffer.from("LENGTH").toString("hex"),
        },
      },
    ]);
  });

  it("the packet passed first where it had more hops left, whatever the clocks say", () => {
    const change: Change = (octets, ip, n) => {
      if (n === 3) strip(octets, ip, n);
    };
    const packets = behind(conversation(ends), change, -50);
    expect(told(packets)).toMatchObject([{ kind: "option-stripped", between: ["a", "b"] }]);
  });

  it("of the first packet that is copied twice, how it was marked and how many hops it had left", () => {
    const talk = conversation(ends);
    for (const packet of talk.packets)
      mark(0xb8)(packet.octets as Buffer, { header: 0, isIpv4: ends === undefined }, 0);
    const packets = behind(talk, mark(0)).filter(({ source }, n) => source === 0 || n === 7);
    for (const length of [1, 64]) {
      expect(run(packets, {}, length).records[0]?.mptcp.rewritten).toMatchObject([
        { kind: "dscp", between: ["a", "b"], packets: 1, first: { before: "b8", after: "00" } },
      ]);
    }
  });

  it("a SYN whose copy without the option comes first opens its session all the same", () => {
    const change: Change = (octets, ip, n) => {
      if (n === 0) strip(octets, ip, n);
    };
    const { records, totals } = run(behind(conversation(ends), change, -50));
    expect(records[0]?.mptcp.rewritten).toMatchObject([{ kind: "option-stripped", between: ["a", "b"], packets: 1 }]);
    expect(records[0]?.mptcp.stream.initiator.complete).toBe(true);
    expect(totals.packets["subflow/plain-tcp"]).toBe(1);
    expect(records[0]?.mptcp.negotiation?.asked).toBe(1);
  });
});

const MANY = [..."abcdefghijklmnopqrstuvwxyz"];

describe("bounds", () => {
  it("of a session the first 16 ways are told, and the packets of others counted", () => {
    const talk = conversation();
    const packets = talk.packets.flatMap((packet) =>
      Array.from({ length: 14 }, (_, source): RunPacket => {
        const octets = Buffer.from(packet.octets);
        mark(source << 2)(octets, { header: 20, isIpv4: true }, 0);
        octets[8] = 64 - source;
        return { ...packet, octets, source, atMicros: packet.atMicros + source };
      }),
    );
    const { records } = run(packets, {}, 64, MANY);
    const all = talk.packets.length * 13;
    const { rewritten = [] } = records[0]?.mptcp ?? {};
    expect(rewritten).toHaveLength(16);
    const listed = rewritten.reduce((sum, { packets: n }) => sum + n, 0);
    expect(listed + (records[0]?.rejoin?.shed.rewritten ?? 0)).toBe(all);
  });

  it("agents that copied a subflow: 16 are named, further ones counted", () => {
    const talk = conversation();
    const packets = talk.packets.flatMap((packet, n) =>
      n > 5
        ? [packet]
        : [0, 1, 2, 3].map((k): RunPacket => ({ ...packet, source: n * 4 + k, atMicros: packet.atMicros + k })),
    );
    const { records } = run(packets, {}, 64, MANY);
    expect(records[0]?.mptcp.subflows[0]?.agents).toHaveLength(16);
    expect(records[0]?.rejoin?.shed.agents).toBe(8);
  });

  it("subflows beyond the bound are counted, and one that is released makes room", () => {
    const differences = new Differences();
    differences.kinds[0] = 1;
    const rewritings = new Rewritings(2);
    for (const subflow of [7, 8, 9]) rewritings.note(subflow, 0, BEGIN, 1, 0, differences);
    expect([rewritings.of(8)?.ways.length, rewritings.of(9), rewritings.shed]).toEqual([1, null, 1]);
    expect(rewritings.use).toEqual({ used: 2, bound: 2 });
    rewritings.release(7);
    rewritings.note(9, 0, BEGIN, 1, 0, differences);
    expect(rewritings.of(9)?.ways).toHaveLength(1);
  });

  it("octets that were not kept are not compared, and that is counted", () => {
    const talk = new Conversation().open().send(0, "early").close();
    const [syn, answer, ack, data, ...rest] = talk.packets;
    if (syn === undefined || answer === undefined || ack === undefined || data === undefined) throw new Error("short");
    // The first second copy of all is that of data: nobody could know.
    for (const batch of [1, 64]) {
      const { records, totals } = run([syn, answer, ack, data, { ...data, source: 1 }, ...rest], {}, batch);
      expect(totals.shed).toEqual({ "copies-not-compared": 1 });
      const { mptcp } = sessionRecord.parse(records[0]);
      expect(mptcp.subflows[0]).toMatchObject({ mirror_duplicates: 1, uncompared_copies: 1 });
      expect(mptcp.rewritten).toEqual([]);
    }
    const { records } = run([syn, { ...syn, source: 1 }, answer, ack, data, { ...data, source: 1 }, ...rest]);
    expect(records[0]?.mptcp.subflows[0]).toMatchObject({ mirror_duplicates: 2 });
    expect(records[0]?.mptcp.subflows[0]?.uncompared_copies).toBeUndefined();
  });
});
