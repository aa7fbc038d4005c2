import { hostname } from "node:os";
import type { AgentConfiguration } from "../../schema/configuration/agent.ts";
import { readDestination } from "../../schema/configuration/destination.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { AgentConfig } from "./agent.ts";

/** What an agent does, out of what its operator wrote. Throws an OperationalError for a collector that is none. */
export function agentConfig(configuration: AgentConfiguration): AgentConfig {
  const { encapsulation, key, snap, fragment, maxFlows, log } = configuration;
  const collector = readDestination(configuration.collector ?? "", encapsulation);
  if (typeof collector === "string") throw new OperationalError("usage", `collector: ${collector}`);
  return {
    name: configuration.name ?? hostname(),
    input: inputOf(configuration),
    collector,
    encapsulation,
    key,
    snap,
    fragment,
    maxFlows,
    reportMs: log.reportSeconds * 1000,
  };
}

function inputOf({ capture, replay }: AgentConfiguration): AgentConfig["input"] {
  if (replay.files.length > 0) {
    const speed = replay.speed === "max" ? Number.POSITIVE_INFINITY : replay.speed;
    return { kind: "replay", files: replay.files, speed, begin: null };
  }
  const names = [...new Set(capture.interfaces)];
  return {
    kind: "interfaces",
    names,
    // A packet forwarded between two of them is seen once where each shows only what arrives.
    direction: capture.direction ?? (names.length > 1 ? "in" : "both"),
    promiscuous: capture.promiscuous,
    by: capture.method,
  };
}
