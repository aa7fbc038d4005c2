import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { PORT_GRE_IN_UDP } from "../../src/wire/udp.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../linux/privileges.ts";
import { adminCheck, udpPortCheck } from "./address-checks.ts";
import type { Check } from "./finding.ts";
import {
  capabilityCheck,
  joinedCopiesCheck,
  kernelCheck,
  koffiCheck,
  nftCheck,
  packetSocketCheck,
  rawSocketCheck,
  receiveBufferCheck,
} from "./host-checks.ts";
import type { Machine } from "./machine.ts";
import { interfaceCheck, offloadCheck, reversePathCheck } from "./network-checks.ts";
import { recordChecks } from "./record-checks.ts";

const MIB = 1024 * 1024;
const INSTEAD = "copies are received through sockets instead";

/** What a collector of this configuration needs of its machine. */
export function collectorChecks(machine: Machine, configuration: CollectorConfiguration): Check[] {
  const { listen, admin } = configuration;
  const wantsRing = listen.ring.length > 0;
  const hasRing = wantsRing && machine.libc !== null && machine.can(CAP_NET_RAW);
  const udp = wantsRing && !hasRing ? [PORT_GRE_IN_UDP, ...listen.udp] : listen.udp;
  const checks: Check[] = [];
  if (listen.zeroUdpChecksums && udp.length > 0) {
    checks.push(koffiCheck(machine, "listen.zeroUdpChecksums", null));
  } else if (wantsRing) {
    checks.push(koffiCheck(machine, "listen.ring", INSTEAD));
  } else {
    checks.push(koffiCheck(machine, "batches", "datagrams are read one at a time, and cost more"));
  }
  if (listen.gre.length > 0) {
    checks.push(capabilityCheck(machine, CAP_NET_RAW, "listen.gre"), rawSocketCheck(machine, "listen.gre", null));
  }
  if (wantsRing) {
    checks.push(
      capabilityCheck(machine, CAP_NET_RAW, "listen.ring", INSTEAD),
      packetSocketCheck(machine, INSTEAD),
      ...(hasRing
        ? ringChecks(machine, configuration)
        : [rawSocketCheck(machine, "GRE without a ring", "GRE-in-UDP alone is received")]),
    );
  }
  // A ring has its packets before IP looks at them, and memory of its own.
  if (udp.length + listen.gre.length > 0) {
    checks.push(receiveBufferCheck(machine, listen.receiveBufferMib * MIB), reversePathCheck(machine));
  }
  checks.push(...udp.map((at) => udpPortCheck(String(at))), ...recordChecks(configuration));
  if (admin.listen !== null) checks.push(adminCheck(admin.listen, admin.token));
  return checks;
}

function ringChecks(machine: Machine, { listen }: CollectorConfiguration): Check[] {
  return [
    kernelCheck(machine, [4, 20], "packet rings of what arrives"),
    joinedCopiesCheck(machine, listen.ring),
    interfaceCheck(machine, listen.ring),
    offloadCheck(machine, listen.ring),
    ...(listen.ringDrop
      ? [capabilityCheck(machine, CAP_NET_ADMIN, "listen.ringDrop"), nftCheck(machine, "listen.ringDrop")]
      : []),
  ];
}
