import type { Destination } from "../../schema/configuration/destination.ts";
import { resolveDestination } from "../agent/destination.ts";
import { deliveryOctets, pathRoom } from "../agent/path-room.ts";
import { sourceAddress } from "../linux/path-mtu.ts";
import { type Check, type Finding, findingsOf } from "./finding.ts";
import type { Interface, Machine } from "./machine.ts";

/** Whether interfaces are there and carry. */
export function interfaceCheck(machine: Machine, names: readonly string[]): Check {
  const what = "interfaces";
  const { ok, warn, fail } = findingsOf(what);
  return {
    what,
    look: () => {
      const present = machine.interfaces();
      return names.flatMap((name): Finding[] => {
        const found = present.find((one) => one.name === name) ?? (name === "lo" ? LOOPBACK : undefined);
        if (found === undefined) return fail(`there is no ${name}; \`ip link\` lists those there are`);
        return found.isUp
          ? ok(`${name} is up`)
          : warn(`${name} is down, or nothing is at its other end: ip link set ${name} up`);
      });
    },
  };
}

const LOOPBACK: Interface = { name: "lo", mtu: 65_536, isUp: true };

/** Offloads that change what a capture sees: large receive offload joins segments, and may lose their MPTCP options. */
export function offloadCheck(machine: Machine, names: readonly string[]): Check {
  const what = "offloads";
  const { ok, warn } = findingsOf(what);
  return {
    what,
    look: async () => {
      const present = machine.interfaces().map(({ name }) => name);
      const findings: Finding[] = [];
      for (const name of names.filter((one) => present.includes(one))) {
        const features = await machine.output("ethtool", "-k", name);
        if (features === null) findings.push(...warn(`${name} cannot be asked: install ethtool`));
        else if (/^large-receive-offload: on/m.test(features)) {
          findings.push(
            ...warn(`${name} joins segments in hardware (LRO), and options are lost: ethtool -K ${name} lro off`),
          );
        } else findings.push(...ok(`${name}: no LRO; what GRO and TSO join is taken apart again`));
      }
      return findings;
    },
  };
}

/**
 * Strict reverse path filtering drops copies that arrive on another interface than the one their sender would be answered
 * by. It takes two interfaces to do harm.
 */
export function reversePathCheck(machine: Machine): Check {
  const what = "rp_filter";
  const { ok, warn } = findingsOf(what);
  return {
    what,
    look: () => {
      const up = machine.interfaces().filter(({ isUp }) => isUp);
      const of = (name: string): number => machine.parameter(`net/ipv4/conf/${name}/rp_filter`) ?? 0;
      const strict = up.filter(({ name }) => Math.max(of("all"), of(name)) === 1).map(({ name }) => name);
      if (strict.length === 0 || up.length < 2) return ok("no copy is dropped for the way it came");
      const settings = ["all", ...strict].map((name) => `net.ipv4.conf.${name}.rp_filter=2`).join(" ");
      return warn(
        `copies over IPv4 are dropped that arrive where their sender would not be answered (strict on ${strict.join(", ")}): ` +
          `sysctl -w ${settings}`,
      );
    },
  };
}

/** What copies are to be, for the way to a collector. */
export interface CopyShape {
  /** Octets of the GRE header. */
  readonly greOctets: number;
  /** Nobody asked for copies to be cut, nor for fragments. */
  readonly isWhole: boolean;
  /** Interfaces whose packets are copied. */
  readonly captured: readonly string[];
}

/** Whether a collector's name is known, there is a route, and copies of whole packets fit its way. */
export function wayCheck(machine: Machine, to: Destination, shape: CopyShape): Check {
  const what = "way to collector";
  const { ok, warn, fail } = findingsOf(what);
  return {
    what,
    look: async () => {
      const target = await resolveDestination(to);
      if (machine.libc === null)
        return warn(`${to.host} is ${target.address}; its way cannot be asked for without koffi`);
      if (sourceAddress(machine.libc, target.address) === null)
        return fail(`there is no route to ${target.address}: ip route get ${target.address}`);
      const room = await pathRoom(target, shape.greOctets);
      const longest = Math.max(
        0,
        ...machine
          .interfaces()
          .filter(({ name }) => shape.captured.includes(name))
          .map(({ mtu }) => mtu),
      );
      if (room >= longest || !shape.isWhole) return ok(`copies of ${room} octets go to ${target.address}`);
      return warn(
        `packets of up to ${longest} octets are captured, and a copy to ${target.address} holds ${room}: longer ones are cut; ` +
          `give the way an MTU of ${longest + deliveryOctets(target, shape.greOctets)}, or say fragment: true`,
      );
    },
  };
}
