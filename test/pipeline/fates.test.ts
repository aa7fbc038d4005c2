import { describe, expect, it } from "vitest";
import { FATES } from "../../src/fate.ts";
import type { OctetSink, PipelineOptions } from "../../src/pipeline.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, ip, SYN, segment, tcp } from "../support/packets.ts";
import { hex } from "../support/pcap.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const ETHERNET = 1;
const GRE = 47;
const UDP = 17;

const A = { ip: "10.1.0.1", port: 40_000 };
const B = { ip: "10.2.0.2", port: 443 };

/** A packet that the next assertion is about. */
const packet = (octets: Uint8Array, linkType?: number): RunPacket => ({
  atMicros: BEGIN,
  wire: octets.length,
  octets,
  ...(linkType === undefined ? {} : { linkType }),
});

const ethernet = (dump: string): RunPacket => packet(hex(`020000000001 020000000002 ${dump}`), ETHERNET);

/** An IPv4 packet from agent 10.9.0.n with these octets as GRE. */
const gre = (dump: string | Uint8Array, n = 1): RunPacket =>
  packet(ip(GRE, `10.9.0.${n}`, "10.9.0.100", typeof dump === "string" ? hex(dump) : dump));

/** An IPv4 packet with these octets as UDP to a port. */
const inUdp = (port: number, dump: string): RunPacket =>
  packet(ip(UDP, A.ip, B.ip, hex(`c000 ${port.toString(16).padStart(4, "0")} 0000 0000 ${dump}`)));

/** A fragment with so many octets of payload, whose flags and offset are these 16 bits. */
const fragment = (place: string, octets: number): RunPacket =>
  packet(
    hex(`4500 ${(20 + octets).toString(16).padStart(4, "0")} 0001 ${place}
         40 06 0000 0a010001 0a020002 ${"00".repeat(octets)}`),
  );

const plain = segment({ from: A, to: B, flags: ACK });

/** GRE inside GRE: `depth` delivery headers around a TCP segment. */
const nested = (depth: number): Uint8Array => {
  let inside: Uint8Array = plain;
  for (let n = 0; n < depth; n++) inside = ip(GRE, A.ip, B.ip, Buffer.concat([hex("0000 0800"), inside]));
  return inside;
};

const withDataOffset = (words: number): Uint8Array => {
  const octets = tcp({ from: A, to: B, flags: ACK });
  octets[12] = words << 4;
  return ip(6, A.ip, B.ip, octets);
};

/** An agent's report with the number 7, 8 given. */
const REPORT = `
  726a6e01 00000000 | "rjn" 1, not the last
  000644a5c8ed4000  | started
  0000000000000007 0000000000000008 | its number; numbered
  ${"0000000000000000".repeat(7)}`;

const ONE_EACH = { sessions: 1, subflows: 64 };

/** Throws, as it must not. */
const BROKEN: OctetSink = {
  octets: () => {
    throw new TypeError("broken");
  },
};

/** The last packet of each row has the fate. */
const ROWS: readonly [fate: string, packets: () => readonly RunPacket[], options?: Partial<PipelineOptions>][] = [
  [
    "pipeline/fault",
    () => new Conversation().open().send(0, "abc").packets,
    { octets: BROKEN, fault: () => undefined },
  ],
  ["decapsulate/link-type-unknown", () => [packet(plain, 147)]],
  ["decapsulate/link-truncated", () => [packet(hex("020000000001 020000000002 08"), ETHERNET)]],
  ["decapsulate/not-ip", () => [ethernet("0806 | ARP\n 0001 0800")]],
  ["decapsulate/vlan-depth", () => [ethernet("8100 0001 88a8 0002 8100 0003 0800")]],
  ["decapsulate/ipv4-truncated", () => [packet(plain.subarray(0, 19))]],
  ["decapsulate/ipv4-malformed", () => [packet(Uint8Array.of(0x44, ...plain.subarray(1)))]],
  ["decapsulate/ipv6-truncated", () => [packet(hex("60000000 0014 06 40 20010db8"))]],
  ["decapsulate/ipv6-malformed", () => [ethernet(`86dd ${"40".padEnd(80, "0")}`)]],
  ["decapsulate/fragment", () => [fragment("2000 | more", 8)]],
  ["decapsulate/fragment-malformed", () => [fragment("2000 | more", 7)]],
  ["decapsulate/fragment-overlap", () => [fragment("2000 | more", 16), fragment("2001 | more, from octet 8", 16)]],
  ["decapsulate/udp-truncated", () => [packet(ip(UDP, A.ip, B.ip, hex("c000 1292 00")))]],
  ["decapsulate/udp-malformed", () => [packet(ip(UDP, A.ip, B.ip, hex("c000 1292 0007 0000 | 7 octets")))]],
  ["decapsulate/gre-truncated", () => [gre("3000 0800 00000001")]],
  ["decapsulate/gre-version", () => [gre("2001 880b 00000000")]],
  ["decapsulate/gre-routed", () => [gre("4000 0800 00000000")]],
  ["decapsulate/gre-checksum", () => [gre("8000 0800 dead 0000 4500")]],
  ["decapsulate/gre-keepalive", () => [gre("0000 0000")]],
  ["decapsulate/erspan-truncated", () => [gre("1000 88be 00000001 | no ERSPAN header\n 1003 0011")]],
  ["decapsulate/erspan-malformed", () => [gre("1000 88be 00000001 | version 7\n 7003 0011 00000000")]],
  ["decapsulate/vxlan-truncated", () => [inUdp(4789, "08000000 00004d")]],
  ["decapsulate/vxlan-malformed", () => [inUdp(4789, "00000000 00004d00")]],
  ["decapsulate/geneve-truncated", () => [inUdp(6081, "0300 0800 00004d00 01028001")]],
  ["decapsulate/geneve-version", () => [inUdp(6081, "4000 6558 00004d00")]],
  ["decapsulate/mpls", () => [gre("0000 8847 00010140 00")]],
  ["decapsulate/ppp", () => [gre("0000 880b ff03 0021 45")]],
  ["decapsulate/delivery-protocol", () => [gre("0000 883e 4500")]],
  ["decapsulate/tunnel-depth", () => [packet(nested(5))]],
  [
    "decapsulate/agent-unknown",
    () => [gre(Buffer.concat([hex("0000 0800"), plain]))],
    { agents: [{ name: "other", addresses: ["10.9.0.2"], keys: null }] },
  ],
  [
    "decapsulate/agent-table-full",
    () =>
      Array.from({ length: 1024 }, (_, key) => {
        const header = hex("2000 0800 00000000");
        new DataView(header.buffer).setUint32(4, key);
        return gre(Buffer.concat([header, plain]));
      }),
  ],
  [
    "decapsulate/agent-over-rate",
    () => Array.from({ length: 7 }, () => gre("0000 0000")),
    { agentPacketsPerSecond: 5 },
  ],
  ["decapsulate/agent-report", () => [gre(`1000 88b6 00000007 | GRE\n ${REPORT}`)]],
  ["decapsulate/agent-report-malformed", () => [gre(`1000 88b6 00000008 | another number\n ${REPORT}`)]],
  ["decapsulate/not-tcp", () => [packet(ip(1, A.ip, B.ip, hex("0800 0000")))]],
  ["decapsulate/tcp-truncated", () => [packet(plain.subarray(0, 39))]],
  ["decapsulate/tcp-malformed", () => [packet(withDataOffset(4))]],
  [
    "subflow/mirror-duplicate",
    () => {
      const [syn] = new Conversation().open(["syn"]).packets;
      return syn === undefined ? [] : [syn, { ...syn, source: 1, atMicros: syn.atMicros + 10 }];
    },
  ],
  ["subflow/plain-tcp", () => [packet(segment({ from: A, to: B, flags: SYN }))]],
  [
    "subflow/options-cut",
    () => {
      const [syn] = new Conversation().open(["syn"]).packets;
      return syn === undefined ? [] : [{ ...syn, octets: syn.octets.subarray(0, 41) }];
    },
  ],
  [
    "subflow/table-full",
    () => {
      const talk = new Conversation().open();
      talk.join();
      return talk.packets.slice(0, 4);
    },
    { bounds: { sessions: 64, subflows: 1 } },
  ],
  [
    "session/table-full",
    () => {
      const talk = new Conversation().open().send(0, "x");
      const ends = [
        { ip: "10.1.0.7", port: 1 },
        { ip: "10.1.0.8", port: 2 },
      ] as const;
      return [...talk.packets, ...new Conversation({ ends, atMicros: talk.atMicros }).open(["syn"]).packets];
    },
    { bounds: ONE_EACH },
  ],
  ["session/midstream", () => new Conversation().send(0, "x").packets],
  [
    "session/orphan-join",
    () => {
      const talk = new Conversation();
      talk.join();
      return talk.packets;
    },
  ],
  [
    "session/join-refused",
    () => {
      const talk = new Conversation().open();
      return talk.send(0, "x", { on: talk.join({ wrong: "opener" }) }).packets;
    },
  ],
  ["session/counted", () => new Conversation().open().send(0, "x").packets],
];

describe("fates", () => {
  it.each(ROWS)("%s", (fate, packets, options) => {
    const found = run(packets(), options, 1);
    const { stage, reason } = FATES[found.fates.at(-1) ?? 0] ?? {};
    expect(`${stage}/${reason}`).toBe(fate);
    expect(Object.values(found.totals.packets).reduce((sum, count) => sum + count, 0)).toBe(found.totals.packetsIn);
  });

  it("are all reached above, and no packet stays alive", () => {
    const names = FATES.map(({ stage, reason }) => `${stage}/${reason}`);
    expect(["pipeline/alive", ...ROWS.map(([fate]) => fate)]).toEqual(names);
  });
});
