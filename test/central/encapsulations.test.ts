import { pino } from "pino";
import { beforeAll, describe, expect, test } from "vitest";
import { startCollector } from "../../collectors/central/collector.ts";
import { COLLECTOR_DEFAULTS } from "../../collectors/central/collector-contract.ts";
import type { UdpEncapsulation } from "../../schema/encapsulation.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { sendTo } from "../support/copies.ts";
import { deliveryTo } from "../support/delivery.ts";
import { ENCAPSULATED, essence, framesOf, onlyEncapsulated } from "../support/encapsulated.ts";
import { RecordedSessions } from "../support/recorded-sessions.ts";

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

/** What stands in the UDP datagram of a frame with IPv4. */
const datagramOf = (frame: Uint8Array): Uint8Array =>
  frame.subarray(ETHERNET_OCTETS + ((frame[ETHERNET_OCTETS] ?? 0) & 15) * 4 + UDP_OCTETS);

describe.each([4, 6])("sockets of the collector, IPv%i inside", (inner) => {
  const file = `outer4-inner${inner}.pcap.gz`;
  let frames: Awaited<ReturnType<typeof framesOf>>;
  let plain: readonly SessionRecord[];
  beforeAll(async () => {
    frames = await framesOf(file);
    plain = (await onlyEncapsulated(file, 0)).records;
    expect(plain.length).toBeGreaterThan(0);
  });

  const cells = Object.entries(IN_UDP).flatMap(([name, encapsulation]) =>
    ["127.0.0.1", "::1"].map((host) => ({ name, encapsulation, host })),
  );
  test.each(cells)("$name at $host: the sessions that were", async ({ name, encapsulation, host }) => {
    const sink = new RecordedSessions();
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
    const number = ENCAPSULATED.indexOf(name) + 1;
    const copies = frames
      .filter((one) => one.number === number)
      .map(({ frame }) => ({ file: 0, octets: datagramOf(frame) }));
    await sendTo(collector, copies, host);
    const { agents } = await collector.stop();
    expect(essence(sink.records)).toEqual(essence(plain));
    expect(agents.filter(({ address }) => address !== null)).toMatchObject([{ address: host }]);
  });
});
