import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { NOT_COMPARED } from "../../src/subflow/differences.ts";
import { Fingerprints } from "../../src/subflow/fingerprints.ts";
import { MIRROR_DUPLICATE, MirrorDuplicates } from "../../src/subflow/mirror-duplicates.ts";
import { HOT_WORDS, STATE, STATE_COPIED_TWICE } from "../../src/subflow/subflow-row.ts";
import { PacketVector } from "../../src/vector.ts";
import { BEGIN } from "../support/conversation.ts";
import { ACK, option, SYN, segment } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const V4 = [
  { ip: "10.1.0.1", port: 40_000 },
  { ip: "10.2.0.2", port: 443 },
] as const;
const V6 = [
  { ip: "2001:db8::1", port: 40_000 },
  { ip: "2001:db8::2", port: 443 },
] as const;

interface Copy {
  readonly ends?: typeof V4 | typeof V6;
  readonly ipId?: number;
  readonly source?: number;
  readonly millis?: number;
  readonly seq?: number;
  readonly timestamp?: number;
  /** Null: no MPTCP option at all. */
  readonly dataAck?: number | null;
  readonly text?: string;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
}

/** A data segment of a flow whose SYN came first. */
function data(copy: Copy): RunPacket {
  const { ends = V4, ipId = 7, source = 0, millis = 0, seq = 101, timestamp = 1, dataAck = 5, text = "data" } = copy;
  const [from, to] = ends;
  const options = [option.timestamp(timestamp), ...(dataAck === null ? [] : [option.dss({ ack: dataAck })])];
  const octets = segment({ from, to, flags: ACK, seq, ack: 1, options, payload: Buffer.from(text), ipId });
  return marked({ atMicros: BEGIN + 1000 + millis * 1000, wire: octets.length, octets, source }, copy);
}

/** A packet with another traffic class and hop limit. */
function marked(packet: RunPacket, { trafficClass = 0, hopLimit = 64 }: Copy): RunPacket {
  const octets = Buffer.from(packet.octets);
  const isIpv4 = (octets[0] ?? 0) >> 4 === 4;
  if (isIpv4) octets[1] = trafficClass;
  else octets.writeUInt16BE(0x6000 | (trafficClass << 4), 0);
  octets[isIpv4 ? 8 : 7] = hopLimit;
  return { ...packet, octets };
}

/** How many of the packets after the first are told to be copies. */
function copies(...packets: Copy[]): number {
  const [from, to] = packets[0]?.ends ?? V4;
  const octets = segment({ from, to, flags: SYN, seq: 100, options: [option.capable(1)], ipId: 1 });
  const syn: RunPacket = { atMicros: BEGIN, wire: octets.length, octets };
  return run([syn, ...packets.map(data)], {}, 1).totals.packets["subflow/mirror-duplicate"] ?? 0;
}

describe("mirror duplicates", () => {
  it.each<[name: string, packets: Copy[], told: number]>([
    ["the copy of another agent", [{}, { source: 1 }], 1],
    ["copies of three agents", [{}, { source: 1 }, { source: 2 }], 2],
    ["octets of the same agent, while nothing is known of the first ones", [{}, {}], 0],
    ["the same agent's second copy, once its octets are compared", [{}, {}, { ipId: 8 }, { ipId: 8 }], 1],
    [
      "other octets of the same agent under the same identification",
      [{}, {}, { ipId: 8 }, { ipId: 8, text: "DATA" }],
      0,
    ],
    ["the same agent's second copy of an acknowledgment", [{ text: "" }, { text: "" }], 1],
    ["the other agent's copy with another option", [{}, { source: 1, dataAck: 6 }], 1],
    ["the other agent's copy without the option", [{}, { source: 1, dataAck: null }], 1],
    ["the other agent's copy with other octets", [{}, { source: 1, text: "DATA" }], 1],
    ["the other agent's copy with other marks", [{}, { source: 1, trafficClass: 0xb8, hopLimit: 3 }], 1],
    ["a retransmission with another identification", [{}, { ipId: 8 }], 0],
    ["a retransmission with another timestamp", [{}, { timestamp: 2 }], 0],
    ["two acknowledgments that differ at data level only", [{}, { dataAck: 6 }], 0],
    ["another sequence number", [{}, { seq: 105 }], 0],
    ["IPv6: the copy of another agent", [{ ends: V6 }, { ends: V6, source: 1 }], 1],
    ["IPv6: the same again from the same agent is a retransmission", [{ ends: V6 }, { ends: V6 }], 0],
    [
      "IPv6: a retransmission, and the other agent's copies of both",
      [
        { ends: V6 },
        { ends: V6, source: 1, millis: 1 },
        { ends: V6, millis: 300 },
        { ends: V6, source: 1, millis: 301 },
      ],
      2,
    ],
    ["just inside the window", [{}, { source: 1, millis: 1_999 }], 1],
    ["outside the window: the endpoints' own repetition", [{}, { source: 1, millis: 2_001 }], 0],
    ["the copy that was captured earlier comes later", [{ millis: 500 }, { source: 1, millis: 0 }], 1],
    [
      "IPv6: an acknowledgment whose data ACK another agent's lacks is another",
      [
        { ends: V6, text: "" },
        { ends: V6, text: "", source: 1, dataAck: 6 },
      ],
      0,
    ],
    [
      "IPv6: an acknowledgment without its option is the same",
      [
        { ends: V6, text: "" },
        { ends: V6, text: "", source: 1, dataAck: null },
      ],
      1,
    ],
    [
      "IPv6: one agent's three equal acknowledgments, and the other's, later",
      [..."000111"].map((source) => ({ ends: V6, text: "", source: Number(source) })),
      3,
    ],
    ["IPv6: the same, in turns", [..."011001"].map((source) => ({ ends: V6, text: "", source: Number(source) })), 3],
    [
      "IPv6: three equal acknowledgments, of which one agent saw one",
      [..."0001"].map((source) => ({ ends: V6, text: "", source: Number(source) })),
      1,
    ],
  ])("%s", (_, packets, told) => {
    expect(copies(...packets)).toBe(told);
  });

  it("many packets between: most copies are still told, and the rest is only counted twice, never placed twice", () => {
    const packets: RunPacket[] = [];
    const octets = segment({ from: V4[0], to: V4[1], flags: SYN, seq: 100, options: [option.capable(1)] });
    packets.push({ atMicros: BEGIN, wire: octets.length, octets });
    for (const source of [0, 1]) {
      for (let n = 0; n < 4_000; n++) {
        packets.push(data({ ipId: n + 1, seq: 101 + n * 4, source, millis: n / 1000 }));
      }
    }
    const { totals } = run(packets);
    expect(totals.packets["subflow/mirror-duplicate"]).toBeGreaterThan(3_900);
  });
});

/** Fingerprints that all lie in one set, and are told apart in it. */
class AlikeFingerprints extends Fingerprints {
  override read(vector: PacketVector, from: number, to: number): void {
    super.read(vector, from, to);
    for (let i = from; i < to; i++) this.first[i] = (vector.seq[i] ?? 0) << 16;
  }
}

it("a set tells the copies of each of the packets in it", () => {
  const agents = new Agents(null);
  const sources = ["a", "b"].map((name) => agents.addSource(name));
  const both = [0, 1].flatMap((source) => [101, 102, 103, 104].map((seq) => ({ packet: data({ seq }), source })));
  const vector = new PacketVector();
  vector.use(Uint8Array.from(Buffer.concat(both.map(({ packet }) => packet.octets))));
  let at = 0;
  for (const { packet, source } of both) {
    vector.add(at, packet.octets.length, packet.wire, packet.atMicros, 101, sources[source] ?? 0);
    at += packet.octets.length;
  }
  new Decapsulation(agents, null).process(vector);
  const fingerprints = new AlikeFingerprints(new Uint32Array(8), 1);
  fingerprints.read(vector, 0, 8);
  // Each of a subflow of its own, none of which is known to be copied twice.
  const subflows = Int32Array.of(0, 1, 2, 3, 0, 1, 2, 3);
  const duplicates = new MirrorDuplicates(fingerprints, subflows, new Uint32Array(4 * HOT_WORDS));
  expect(duplicates.refuse(vector, 8)).toBe(true);
  expect([...vector.fate.subarray(0, 8)].map((fate) => fate === MIRROR_DUPLICATE)).toEqual([
    ...[false, false, false, false],
    ...[true, true, true, true],
  ]);
});

describe("a set that one acknowledgment fills, many times in a millisecond", () => {
  /** Says of a packet whether it is a copy, and how its octets differ from those of the first one. */
  function watcher() {
    const agents = new Agents(null);
    const sources = ["a", "b"].map((name) => agents.addSource(name));
    const fingerprints = new AlikeFingerprints(new Uint32Array(1), 1);
    const hot = new Uint32Array(HOT_WORDS);
    hot[STATE] = STATE_COPIED_TWICE;
    const duplicates = new MirrorDuplicates(fingerprints, Int32Array.of(0), hot);
    return (copy: Copy): [boolean, number | undefined] => {
      const { octets, atMicros, source = 0 } = data({ ends: V6, ...copy });
      const vector = new PacketVector();
      vector.use(Uint8Array.from(octets));
      vector.add(0, octets.length, octets.length, atMicros, 101, sources[source] ?? 0);
      new Decapsulation(agents, null).process(vector);
      duplicates.differences.clear();
      fingerprints.read(vector, 0, 1);
      const isCopy = duplicates.refuse(vector, 1);
      return [isCopy, duplicates.differences.kinds[0]];
    };
  }

  const repeated = { seq: 500, text: "" };

  it.each([3, 4, 5, 6, 7, 8, 9])("knows a packet before %i of them, and its octets", (times) => {
    const look = watcher();
    expect(look({})).toEqual([false, 0]);
    for (let n = 0; n < times; n++) expect(look(repeated)).toEqual([false, 0]);
    expect(look({ source: 1, millis: 300 })).toEqual([true, 0]);
  });

  it("knows the newest three beside another packet, and four alone", () => {
    for (const [others, known] of [
      [1, 3],
      [0, 4],
    ] as const) {
      const look = watcher();
      for (let n = 0; n < others; n++) look({});
      for (let n = 0; n < 6; n++) look(repeated);
      const told = [0, 1, 2, 3].map(() => look({ ...repeated, source: 1 })[0]);
      expect(told.filter((one) => one)).toHaveLength(known);
    }
  });

  it("spares no packet that is too old to have a copy, nor any from the packets of others", () => {
    const look = watcher();
    look({});
    for (let n = 0; n < 4; n++) look({ ...repeated, millis: 2_500 });
    for (let n = 0; n < 4; n++) expect(look({ ...repeated, millis: 2_500, source: 1 })).toEqual([true, 0]);
    for (const seq of [601, 602, 603, 604]) look({ seq, millis: 2_600 });
    expect(look({ ...repeated, millis: 2_600, source: 1 })).toEqual([false, 0]);
  });
});

describe("octets of first copies", () => {
  it("are never another packet's that stood in the same place", () => {
    const agents = new Agents(null);
    const sources = ["a", "b"].map((name) => agents.addSource(name));
    const hot = new Uint32Array(2 * HOT_WORDS);
    const fingerprints = new Fingerprints(Uint32Array.of(7), 1);
    const duplicates = new MirrorDuplicates(fingerprints, Int32Array.of(0), hot);
    hot[STATE] = STATE_COPIED_TWICE;
    /** Whether it is a copy, and how its octets differ from those of the first one. */
    const look = (copy: Copy, subflow: number) => {
      const { octets, atMicros, source = 0 } = data(copy);
      const vector = new PacketVector();
      vector.use(Uint8Array.from(octets));
      vector.add(0, octets.length, octets.length, atMicros, 101, sources[source] ?? 0);
      new Decapsulation(agents, null).process(vector);
      duplicates.differences.clear();
      fingerprints.read(vector, 0, 1);
      return [duplicates.isCopy(vector, 0, subflow), duplicates.differences.kinds[0]];
    };
    // Four packets of one fingerprint, too far apart to be copies, fill a set; the octets of each are kept.
    for (const millis of [0, 3_000, 6_000, 9_000]) expect(look({ millis }, 0)).toEqual([false, 0]);
    // The fifth, of a subflow that is copied once as far as anybody knows, takes the place of the first.
    expect(look({ millis: 12_000, text: "DATA" }, 1)).toEqual([false, 0]);
    expect(look({ millis: 12_001, text: "DATA", source: 1 }, 1)).toEqual([true, NOT_COMPARED]);
    expect(duplicates.uncompared).toBe(1);
  });
});
