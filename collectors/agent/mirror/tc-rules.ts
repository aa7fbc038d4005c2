import { endianness } from "node:os";
import { FlowSieve, SIEVE_BITS } from "../../../src/encapsulate/flow-sieve.ts";
import { INSTRUCTION_OCTETS } from "../../linux/classic-bpf.ts";
import { flowFilter } from "../../linux/flow-filter.ts";
import { OperationalError } from "../../runtime/errors.ts";
import { firstDevice, type MirrorPlan, secondDevice } from "./plan.ts";

/** Where the filters stand among those of others (`pref`), and what they are found by. */
export const TC_PREFERENCE = 3030;
/** What a program returns for a packet that is to be copied: anything but 0. */
const MATCH = 1;

/**
 * The commands of a plan's tc filters on one device, whose `clsact` discipline is there. tc remembers no flows. On the way to
 * an agent, which does, every TCP packet that is not excluded is copied; to a collector those with an MPTCP option, SYNs,
 * FINs and RSTs. `continue` lets the filters of others see the packet.
 */
export function tcFilters(plan: MirrorPlan, device: string): string[] {
  const action = `action mirred egress mirror dev ${firstDevice(plan)} continue`;
  const filter = (hook: string) =>
    `tc filter add dev ${device} ${hook} pref ${TC_PREFERENCE} protocol all bpf bytecode "$program" ${action}`;
  return [filter("ingress"), ...(plan.direction === "both" ? [filter("egress")] : [])];
}

/** The commands that keep the mirror's devices one-way, as of `nftTable`. */
export function tcDeviceFilters(plan: MirrorPlan): string[] {
  if (plan.target.kind === "tap") return [];
  const second = secondDevice(plan);
  // A program that returns 2 (TC_ACT_SHOT) needs no action, which not every kernel has.
  const refuse = `tc filter add dev ${plan.name} ingress protocol all bpf da bytecode '1,6 0 0 2'`;
  const onward = `bpf bytecode '1,6 0 0 1' action mirred egress redirect dev ${plan.name}`;
  return [
    `tc qdisc add dev ${plan.name} clsact`,
    refuse,
    ...(second === null
      ? []
      : [`tc qdisc add dev ${second} clsact`, `tc filter add dev ${second} ingress protocol all ${onward}`]),
  ];
}

/** All commands of a plan, for people; the devices that copies go to are there already. Throws as `tcProgram` does. */
export function tcCommands(plan: MirrorPlan): string {
  const lines = [
    `program='${tcProgram(plan)}'`,
    ...tcDeviceFilters(plan),
    ...plan.interfaces.flatMap((device) => [`tc qdisc add dev ${device} clsact`, ...tcFilters(plan, device)]),
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * The program of a plan's filters, as `tc ... bpf bytecode` takes it. Throws an OperationalError when there are more exclusions
 * than a program of classic BPF has room for.
 */
export function tcProgram({ exclusions, target }: MirrorPlan): string {
  const octets = flowFilter({
    link: "ethernet",
    // A copy on its way is no TCP packet, and needs no exclusion.
    exclusions: { ...exclusions, pairs: [] },
    snap: MATCH,
    sieve: new FlowSieve(0),
    bits: target.kind === "tap" ? 0 : SIEVE_BITS,
  });
  if (octets === null) {
    throw new OperationalError(
      "mirror",
      "a tc filter has no room for so many exclusions; join some, or mirror with nft",
    );
  }
  const view = new DataView(octets.buffer);
  const isLittleEndian = endianness() === "LE";
  const instructions = [];
  for (let at = 0; at < octets.length; at += INSTRUCTION_OCTETS) {
    const code = view.getUint16(at, isLittleEndian);
    const [yes, no, k] = [view.getUint8(at + 2), view.getUint8(at + 3), view.getUint32(at + 4, isLittleEndian)];
    instructions.push(`${code} ${yes} ${no} ${k}`);
  }
  return [instructions.length, ...instructions].join(",");
}
