import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { beforeAll, describe, expect, test } from "vitest";
import { COLLECTOR_DEFAULTS, startCollector } from "../../collectors/central/collector.ts";
import type { Sink } from "../../collectors/central/sink/sink.ts";
import type { UdpEncapsulation } from "../../schema/encapsulation.ts";
import { decode } from "../../schema/encoding.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { TOPICS } from "../../schema/topics.ts";
import { observe } from "../scenario/observed.ts";
import { type Copy, sendOverUdp } from "../support/copies.ts";
import { deliveryTo } from "../support/delivery.ts";

/** Packets of recorded sessions in every delivery header, as scapy makes them (test/decapsulate/encapsulated/make.py). */
const pathOf = (file: string): string => fileURLToPath(new URL(`../decapsulate/encapsulated/${file}`, import.meta.url));
const NAMES = JSON.parse(readFileSync(pathOf("encapsulations.json"), "utf8")) as string[];
/** Of an Ethernet source address: the octet that says in which encapsulation a frame is, 0 for none. */
const NUMBER_AT = 11;
const ETHERNET_OCTETS = 14;
const UDP_OCTETS = 8;

const IN_UDP = {
  "gre-in-udp": "gre-in-udp",
  vxlan: "vxlan",
  "vxlan-gpe-ethernet": "vxlan-gpe",
  "vxlan-gpe-ip": "vxlan-gpe",
  "geneve-ethernet": "geneve",
  "geneve-ip-options": "geneve",
} as const satisfies Record<string, UdpEncapsulation>;

/** What does not change from a file to a socket: all but times and who copied it. */
const essence = (records: readonly SessionRecord[]) =>
  records
    .map(({ source, destination, network, mptcp }) => ({
      source,
      destination,
      network,
      token: mptcp.token,
      verdicts: mptcp.verdicts,
      streams: [mptcp.stream.initiator, mptcp.stream.responder].map(({ octets, complete }) => ({ octets, complete })),
      joins: mptcp.subflows.map(({ kind, join }) => ({ kind, hmac: join?.hmac })),
    }))
    .sort((a, b) => a.source.port - b.source.port);

/** The frames of one encapsulation in a file: what is in their UDP datagrams, or the sessions in those without any. */
async function framesOf(inner: number): Promise<{ payloads: Map<string, Copy[]>; plain: SessionRecord[] }> {
  const payloads = new Map(Object.keys(IN_UDP).map((name) => [name, [] as Copy[]]));
  const { records } = await observe([pathOf(`outer4-inner${inner}.pcap.gz`)], {}, (vector, take) => {
    const places: number[] = [];
    for (let i = 0; i < vector.length; i++) {
      const at = vector.at[i] ?? 0;
      const frame = vector.block.slice(at, at + (vector.captured[i] ?? 0));
      const name = NAMES[(frame[NUMBER_AT] ?? 0) - 1];
      if (name === undefined) places.push(i);
      const ipOctets = ((frame[ETHERNET_OCTETS] ?? 0) & 15) * 4;
      const octets = frame.slice(ETHERNET_OCTETS + ipOctets + UDP_OCTETS);
      payloads.get(name ?? "")?.push({ file: 0, octets });
    }
    const { at, captured, wire, atMicros, linkType, source } = vector;
    const kept = places.map(
      (i) => [at[i] ?? 0, captured[i] ?? 0, wire[i] ?? 0, atMicros[i] ?? 0, linkType[i] ?? 0, source[i] ?? 0] as const,
    );
    vector.clear();
    for (const packet of kept) vector.add(...packet);
    if (vector.length > 0) take(vector);
  });
  return { payloads, plain: records };
}

describe.each([4, 6])("sockets of the collector, IPv%i inside", (inner) => {
  let frames: Awaited<ReturnType<typeof framesOf>>;
  beforeAll(async () => {
    frames = await framesOf(inner);
    expect(frames.plain.length).toBeGreaterThan(0);
  });

  const cells = Object.entries(IN_UDP).flatMap(([name, encapsulation]) =>
    ["127.0.0.1", "::1"].map((host) => ({ name, encapsulation, host })),
  );
  test.each(cells)("$name at $host: the sessions that were", async ({ name, encapsulation, host }) => {
    const records: SessionRecord[] = [];
    const sink: Sink = {
      open: async () => undefined,
      close: async () => undefined,
      send: async (batch) =>
        batch.map(({ topic, value }) => {
          const decoded = decode(value, "json");
          if (decoded.ok && topic === TOPICS.sessions) records.push(decoded.record as SessionRecord);
          return "acknowledged";
        }),
    };
    // Any port but the assigned one: the socket knows what comes.
    const listenUdp = [{ host, port: 0, encapsulation }];
    const config = {
      ...COLLECTOR_DEFAULTS,
      agents: null,
      listenUdp,
      revisions: "ended",
      receiveOctets: 65_536,
    } as const;
    const collector = await startCollector(config, deliveryTo(sink), pino({ level: "silent" }));
    const received = () => collector.report().sources.reduce((sum, { packets }) => sum + packets, 0);
    await sendOverUdp(frames.payloads.get(name) ?? [], host, collector.udpPorts[0] ?? 0, received);
    const { agents } = await collector.stop();
    expect(essence(records)).toEqual(essence(frames.plain));
    expect(agents.filter(({ address }) => address !== null)).toMatchObject([{ address: host }]);
  });
});
