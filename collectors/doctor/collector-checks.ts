import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { isLoopback, readListenAddress } from "../../schema/configuration/listen-address.ts";
import { CAP_NET_RAW } from "../linux/privileges.ts";
import { type Check, findingsOf } from "./finding.ts";
import {
  capabilityCheck,
  kernelCheck,
  koffiCheck,
  nftCheck,
  packetSocketCheck,
  receiveBufferCheck,
} from "./host-checks.ts";
import type { Machine } from "./machine.ts";
import { interfaceCheck, offloadCheck, reversePathCheck } from "./network-checks.ts";
import { recordChecks } from "./record-checks.ts";

const MIB = 1024 * 1024;

/** What a collector of this configuration needs of its machine. */
export function collectorChecks(machine: Machine, configuration: CollectorConfiguration): Check[] {
  const { listen } = configuration;
  const checks = [
    koffiCheck(machine, listen.ring.length > 0 ? null : "datagrams are read one at a time, and cost more"),
  ];
  if (listen.gre.length > 0) checks.push(capabilityCheck(machine, CAP_NET_RAW, "listen.gre"));
  if (listen.ring.length > 0) {
    checks.push(
      kernelCheck(machine, [4, 20], "packet rings of what arrives"),
      capabilityCheck(machine, CAP_NET_RAW, "listen.ring"),
      packetSocketCheck(machine),
      interfaceCheck(machine, listen.ring),
      offloadCheck(machine, listen.ring),
    );
  }
  if (listen.ringDrop) checks.push(nftCheck(machine, "listen.ringDrop"));
  // A ring has its packets before IP looks at them, and memory of its own.
  if (listen.udp.length + listen.gre.length > 0) {
    checks.push(receiveBufferCheck(machine, listen.receiveBufferMib * MIB), reversePathCheck(machine));
  }
  checks.push(...listen.udp.map((at) => portCheck(String(at))), ...recordChecks(configuration));
  if (configuration.admin.listen !== null) checks.push(adminCheck(configuration));
  return checks;
}

/** Whether a UDP port can be had. */
function portCheck(text: string): Check {
  const what = "UDP port";
  const { ok, warn, fail } = findingsOf(what);
  const at = readListenAddress(text);
  return {
    what,
    look: async () => {
      const code = at === null ? null : await bindFault(at.host ?? "0.0.0.0", at.port);
      if (code === null) return ok(`${text} can be had`);
      if (code === "EADDRINUSE")
        return warn(`${text} is taken: by a collector that runs, or say another in listen.udp`);
      if (code === "EADDRNOTAVAIL")
        return fail(`${text} is no address of this machine: \`ip address\` lists those it has`);
      return fail(`${text} cannot be had (${code}): say another in listen.udp`);
    },
  };
}

function bindFault(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error.code ?? error.message);
    });
    socket.bind(port, host, () => socket.close(() => resolve(null)));
  });
}

function adminCheck({ admin }: CollectorConfiguration): Check {
  const what = "admin address";
  const { ok, warn } = findingsOf(what);
  const isOpen = admin.token === null && !isLoopback(readListenAddress(String(admin.listen))?.host ?? "127.0.0.1");
  return {
    what,
    look: () =>
      isOpen
        ? warn("whoever reaches it may read metrics, and nobody may look at sessions: set admin.token")
        : ok("told on loopback, or to who has the token"),
  };
}
