import { hostname } from "node:os";
import { type AgentConfiguration, transportOf } from "../../schema/configuration/agent.ts";
import { type Destination, readDestination } from "../../schema/configuration/destination.ts";
import { parsePortRange } from "../../schema/configuration/port-range.ts";
import type { Exclusions } from "../../src/encapsulate/exclusions.ts";
import { parseRange } from "../../src/wire/network.ts";
import { presentInterfaces } from "../linux/interfaces.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { AgentConfig, AgentPolicy } from "./agent-contract.ts";
import { interfaceNames } from "./interface-names.ts";

/** What an agent does, out of what its operator wrote. Throws an OperationalError for a collector that is none. */
export function agentConfig(configuration: AgentConfiguration): AgentConfig {
  const { encapsulation, key, snap, headersOnly, fragment, dscp, maxFlows, log } = configuration;
  return {
    ...agentPolicy(configuration),
    name: configuration.name ?? hostname(),
    input: inputOf(configuration),
    collectors: collectorsOf(configuration),
    ...{ encapsulation, key, snap, headersOnly, fragment, dscp },
    maxFlows,
    reportMs: log.reportSeconds * 1000,
    ownCountsMs: configuration.ownCountsSeconds * 1000,
  };
}

/** What an agent can be told while it runs, out of what its operator wrote. Throws as `agentConfig` does. */
export function agentPolicy(configuration: AgentConfiguration): AgentPolicy {
  const { sample, limits } = configuration;
  return { exclusions: exclusionsOf(configuration), sample, ...limits };
}

/** The collectors that a configuration names. Throws an OperationalError for one that is none. */
export function collectorsOf(configuration: AgentConfiguration): Destination[] {
  const { collector, collectors } = configuration;
  return (collector === null ? collectors : [collector]).map((text) => {
    const destination = readDestination(text, transportOf(configuration));
    if (typeof destination === "string") throw new OperationalError("usage", `collector ${text}: ${destination}`);
    return destination;
  });
}

/** What a configuration says is never copied. Throws an OperationalError for what is no address and no port. */
function exclusionsOf({ exclude }: AgentConfiguration): Exclusions {
  const ranges = exclude.addresses.map((text) => {
    const range = parseRange(text);
    if (range === null) throw new OperationalError("usage", `exclude.addresses: ${text} is no address and no prefix`);
    return range;
  });
  const ports = exclude.ports.map((port) => {
    const range = parsePortRange(String(port));
    if (range === null) throw new OperationalError("usage", `exclude.ports: ${port} is no port and no range of ports`);
    return range;
  });
  return { ranges, ports, pairs: [] };
}

function inputOf({ capture, exclude, mirror, replay, user }: AgentConfiguration): AgentConfig["input"] {
  if (replay.files.length > 0) {
    const speed = replay.speed === "max" ? Number.POSITIVE_INFINITY : replay.speed;
    return { kind: "replay", files: replay.files, speed, begin: null };
  }
  const names = interfaceNames(capture.interfaces, exclude.interfaces, presentInterfaces());
  // A packet forwarded between two of them is seen once where each shows only what arrives.
  const direction = capture.direction ?? (names.length > 1 ? "in" : "both");
  if (capture.method === "nft" || capture.method === "tc") {
    return { kind: "mirror", by: capture.method, interfaces: names, direction, ...mirror };
  }
  return {
    kind: "interfaces",
    names,
    direction,
    promiscuous: capture.promiscuous,
    by: capture.method,
    filtered: capture.kernelFilter,
    user,
  };
}
