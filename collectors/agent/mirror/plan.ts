import type { MirrorDevice } from "../../../schema/configuration/mirror.ts";
import { ASSIGNED_PORTS } from "../../../schema/encapsulation.ts";
import type { Exclusions } from "../../../src/encapsulate/exclusions.ts";
import type { Direction } from "../../linux/capture.ts";
import { OperationalError } from "../../runtime/errors.ts";
import type { Target } from "../destination.ts";

/** What an operator says of kernel mirroring. */
export interface MirrorSettings {
  /** Name of the nftables table and of the device that takes the copies. Two agents of one host have two names. */
  readonly name: string;
  /** What selects and copies: nftables, whole flows; tc, each packet by itself. */
  readonly by: "nft" | "tc";
  /** Devices whose packets are looked at. */
  readonly interfaces: readonly string[];
  readonly direction: Direction;
  readonly device: MirrorDevice;
  /** A flow without a packet for so long is forgotten. */
  readonly idleSeconds: number;
}

/** Where the kernel sends its copies. */
export type MirrorTarget =
  | { readonly kind: "tap" }
  | { readonly kind: "vxlan"; readonly address: string; readonly port: number; readonly vni: number }
  | { readonly kind: "gre"; readonly address: string; readonly key: number | null };

/** All that rules are made of. */
export interface MirrorPlan extends Omit<MirrorSettings, "device"> {
  readonly exclusions: Exclusions;
  /** Flows remembered at a time, of each IP version. */
  readonly maxFlows: number;
  readonly target: MirrorTarget;
}

/** The VNI of an agent without a key. */
const VNI_WITHOUT_KEY = 1;
/** Names that shell and rules take as they are. */
const DEVICE_NAME = /^[\w.+@-]+$/;

/**
 * Puts a plan together; `collector` is null where the agent sends the copies. Throws an OperationalError for an interface whose
 * name rules cannot be written for.
 */
export function mirrorPlan(
  { device, ...settings }: MirrorSettings,
  { exclusions, maxFlows, key }: { exclusions: Exclusions; maxFlows: number; key: number | null },
  collector: Target | null,
): MirrorPlan {
  const strange = settings.interfaces.find((name) => !DEVICE_NAME.test(name));
  if (strange !== undefined) {
    throw new OperationalError(
      "mirror",
      `no rules can be written for an interface with the name ${strange}; rename it`,
    );
  }
  return { ...settings, exclusions, maxFlows, target: target(device, collector, key) };
}

function target(device: MirrorDevice, collector: Target | null, key: number | null): MirrorTarget {
  if (device === "tap" || collector === null) return { kind: "tap" };
  const { address, port } = collector;
  if (device === "gre") return { kind: "gre", address, key };
  return { kind: "vxlan", address, port: port ?? ASSIGNED_PORTS.vxlan, vni: key ?? VNI_WITHOUT_KEY };
}

/** The device that rules copy to. */
export function firstDevice({ name, target, direction }: MirrorPlan): string {
  return target.kind !== "tap" && direction === "both" ? `${name}-in` : name;
}

/**
 * The far end of `firstDevice`, where there is one. A copy of a packet that leaves still has the packet's route with it. The
 * kernel would note the size of the way to the collector there, as that of the way to the monitored host, and send ICMP
 * errors by it. A pair of virtual Ethernet devices takes the route off.
 */
export function secondDevice(plan: MirrorPlan): string | null {
  return firstDevice(plan) === plan.name ? null : `${plan.name}-out`;
}
