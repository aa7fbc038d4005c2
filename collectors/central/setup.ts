import type { Logger } from "pino";
import { type CollectorConfiguration, isRemote } from "../../schema/configuration/collector.ts";
import { readListenAddress } from "../../schema/configuration/listen-address.ts";
import type { Delivery } from "../delivery/delivery.ts";
import { LocalDelivery } from "../delivery/local-delivery.ts";
import { collectorName, formatsOf, gapSettings, openOutbox, sinkOf } from "../delivery/parts.ts";
import { ThreadDelivery } from "../delivery/thread-delivery.ts";
import type { CollectorConfig } from "./collector-contract.ts";
import { udpListen } from "./listen.ts";

const MIB = 1024 * 1024;

/** What a collector does, out of what its operator wrote. */
export function collectorConfig(configuration: CollectorConfiguration): CollectorConfig {
  const { listen, agents, anyAgent, records, shutdown } = configuration;
  const rules = agents.map(({ name, addresses, keys, encapsulations, packetsPerSecond }) => ({
    ...{ name, packetsPerSecond },
    addresses: listed(addresses),
    keys: listed(keys),
    encapsulations: listed(encapsulations),
  }));
  return {
    name: collectorName(configuration),
    listenUdp: listen.udp.flatMap((at) => {
      const address = readListenAddress(String(at));
      return address === null ? [] : [udpListen(address)];
    }),
    listenGre: [...new Set(listen.gre)].map((version) => (version === "ipv4" ? 4 : 6)),
    listenRing: [...new Set(listen.ring)],
    ringDrop: listen.ringDrop,
    zeroUdpChecksums: listen.zeroUdpChecksums,
    tunnelDepth: listen.tunnelDepth,
    // Nobody is named: everybody may send, or it listens on loopback addresses only.
    agents: anyAgent || rules.length === 0 ? null : rules,
    agentPacketsPerSecond: configuration.agentPacketsPerSecond,
    partial: records.partial,
    digest: records.digest,
    streams: records.streams,
    revisions: records.revisions,
    plainTcp: plainTcpConfig(configuration),
    formats: formatsOf(configuration),
    agentsIntervalS: records.agentsIntervalSeconds,
    receiveOctets: listen.receiveBufferMib * MIB,
    drainMs: shutdown.drainSeconds * 1000,
  };
}

function plainTcpConfig({ plainTcp }: CollectorConfiguration): CollectorConfig["plainTcp"] {
  const { directory, rotateSeconds, rotateMib, keepMib } = plainTcp;
  if (directory === null) return null;
  return { directory, rotateMs: rotateSeconds * 1000, rotateOctets: rotateMib * MIB, keepOctets: keepMib * MIB };
}

/** An empty list says nothing. */
const listed = <T>(list: readonly T[]): readonly T[] | null => (list.length > 0 ? list : null);

/** The way of records that a configuration asks for, not opened yet. A remote sink has a thread of its own. */
export async function deliveryOf(configuration: CollectorConfiguration, log: Logger): Promise<Delivery> {
  if (isRemote(configuration)) return new ThreadDelivery(configuration);
  const outbox = await openOutbox(configuration, log);
  return new LocalDelivery(outbox, sinkOf(configuration, log), gapSettings(configuration), log);
}
