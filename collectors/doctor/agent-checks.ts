import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { AgentConfiguration } from "../../schema/configuration/agent.ts";
import { greHeaderLength } from "../../src/encapsulate/gre-header.ts";
import { interfaceNames } from "../agent/interface-names.ts";
import { collectorsOf } from "../agent/setup.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../linux/privileges.ts";
import { adminCheck } from "./address-checks.ts";
import { type Check, findingsOf } from "./finding.ts";
import {
  capabilityCheck,
  filterRoomCheck,
  kernelCheck,
  koffiCheck,
  nftCheck,
  packetSocketCheck,
  programCheck,
  rawSocketCheck,
} from "./host-checks.ts";
import type { Machine } from "./machine.ts";
import { interfaceCheck, offloadCheck, wayCheck } from "./network-checks.ts";

/**
 * What an agent of this configuration needs of its machine. One that names no interface is taken to capture on all that are
 * up. Throws an OperationalError for a collector or a pattern that stands for nothing.
 */
export function agentChecks(machine: Machine, configuration: AgentConfiguration): Check[] {
  const { capture, exclude, replay, key, snap, headersOnly, fragment, status, admin, user } = configuration;
  const isReplay = replay.files.length > 0;
  const interfaces = machine.interfaces();
  const present = interfaces.map(({ name }) => name);
  const up = interfaces.filter(({ isUp }) => isUp).map(({ name }) => name);
  const wanted = capture.interfaces.length > 0 ? capture.interfaces : up;
  const names = isReplay ? [] : interfaceNames(wanted, exclude.interfaces, present);
  const captured = isReplay ? [] : captureChecks(machine, configuration, names);
  const isKernels = (capture.method === "nft" || capture.method === "tc") && configuration.mirror.device !== "tap";
  const shape = {
    greOctets: greHeaderLength(key),
    isWhole: snap === null && !headersOnly && !fragment && !isKernels,
    captured: names,
  };
  return [
    ...captured,
    ...(isKernels ? [] : sendingChecks(machine, configuration)),
    ...(user === null || machine.libc !== null ? [] : [koffiCheck(machine, "user", null)]),
    ...collectorsOf(configuration).map((to) => wayCheck(machine, to, shape)),
    ...(status.socket === null ? [] : [directoryCheck(dirname(status.socket))]),
    ...(admin.listen === null ? [] : [adminCheck(admin.listen, admin.token)]),
  ];
}

/** What copies need that the agent sends itself. */
function sendingChecks(machine: Machine, { encapsulation, dscp }: AgentConfiguration): Check[] {
  const isGre = encapsulation === "gre";
  const raw = isGre ? [capabilityCheck(machine, CAP_NET_RAW, "encapsulation: gre")] : [];
  if (machine.libc !== null) return raw;
  if (isGre) return [...raw, rawSocketCheck(machine, "encapsulation: gre without koffi", null)];
  return dscp === null ? [] : [koffiCheck(machine, "dscp over UDP", null)];
}

function captureChecks(machine: Machine, { capture, mirror }: AgentConfiguration, names: readonly string[]): Check[] {
  const shared = [interfaceCheck(machine, names), offloadCheck(machine, names)];
  const { method, direction } = capture;
  if (method !== "nft" && method !== "tc") {
    const without = method === "ring" ? null : "tcpdump's pipe takes the place of the packet ring, and costs far more";
    return [
      // PACKET_IGNORE_OUTGOING.
      kernelCheck(machine, [4, 20], "packet rings of what arrives"),
      koffiCheck(machine, "packet rings", without),
      ...(machine.libc === null || method === "tcpdump"
        ? [programCheck(machine, "tcpdump", "--version", "capturing without a packet ring")]
        : []),
      capabilityCheck(machine, CAP_NET_RAW, "capturing"),
      packetSocketCheck(machine),
      ...(capture.kernelFilter ? [filterRoomCheck(machine)] : []),
      ...shared,
    ];
  }
  const leaves = direction === "both" || (direction === null && names.length === 1);
  return [
    method === "nft" && leaves
      ? kernelCheck(machine, [5, 16], "nft on what leaves")
      : kernelCheck(machine, [4, 2], `${method} on what arrives`),
    method === "nft"
      ? nftCheck(machine, "capture.method: nft")
      : programCheck(machine, "tc", "-V", "capture.method: tc"),
    programCheck(machine, "ip", "-V", "devices of a mirror"),
    capabilityCheck(machine, CAP_NET_ADMIN, "rules and devices of a mirror"),
    ...(mirror.device === "tap" ? [koffiCheck(machine, "mirror.device: tap", null), tapCheck()] : []),
    ...shared,
  ];
}

function tapCheck(): Check {
  const what = "TAP";
  const { ok, fail } = findingsOf(what);
  const device = "/dev/net/tun";
  return {
    what,
    look: () => (existsSync(device) ? ok(`${device} is there`) : fail(`there is no ${device}: modprobe tun`)),
  };
}

function directoryCheck(directory: string): Check {
  const what = "status socket";
  const { ok, fail } = findingsOf(what);
  return {
    what,
    look: () =>
      existsSync(directory)
        ? ok(`${directory} is there`)
        : fail(`there is no ${directory}: install -d -m 750 ${directory}`),
  };
}
