import type { Exclusions } from "../../../src/encapsulate/exclusions.ts";
import { ipv4Text, ipv6Text } from "../../../src/wire/address.ts";
import type { AddressRange } from "../../../src/wire/network.ts";
import { firstDevice, type MirrorPlan, secondDevice } from "./plan.ts";

/** Before whatever else looks at what arrives, a flowtable's short way past the other hooks included. */
const ARRIVING_PRIORITY = -500;
/** After whatever else changes or drops what leaves. */
const LEAVING_PRIORITY = 500;

/**
 * The nftables table of a plan but for its hooks: sets of flows that the rules fill themselves, from the first segment with
 * an MPTCP option (RFC 8684 §3), both directions, and the copying. In family `netdev` there is no connection tracking.
 * A flow that the full set does not take is copied as far as its packets have the option, and counted.
 */
export function nftTable(plan: MirrorPlan): string {
  const { name, exclusions, maxFlows, idleSeconds } = plan;
  const flows = (set: string, address: string) => [
    `	set ${set} {`,
    `		type ${address} . inet_service . ${address} . inet_service`,
    "		flags dynamic,timeout",
    `		timeout ${idleSeconds}s`,
    `		size ${maxFlows * 2}`,
    "	}",
  ];
  const update = (ip: string, set: string) =>
    `		update @${set} { ${ip} saddr . tcp sport . ${ip} daddr . tcp dport } ` +
    `update @${set} { ${ip} daddr . tcp dport . ${ip} saddr . tcp sport } goto copy`;
  const known = (ip: string, set: string) =>
    `		${ip} saddr . tcp sport . ${ip} daddr . tcp dport @${set} goto remember`;
  const lines = [
    `table netdev ${name}`,
    `delete table netdev ${name}`,
    `table netdev ${name} {`,
    "	counter copied {",
    "	}",
    "	counter unremembered {",
    "	}",
    ...flows("flows4", "ipv4_addr"),
    ...flows("flows6", "ipv6_addr"),
    ...excludedSets(exclusions),
    "	chain copy {",
    `		counter name copied dup to "${firstDevice(plan)}"`,
    "	}",
    "	chain remember {",
    update("ip", "flows4"),
    update("ip6", "flows6"),
    "		counter name unremembered goto copy",
    "	}",
    "	chain select {",
    ...excludedRules(exclusions),
    "		tcp option mptcp exists goto remember",
    known("ip", "flows4"),
    known("ip6", "flows6"),
    "	}",
    ...deviceChains(plan),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** The hooks of the plan's device number `n`, to be loaded behind `nftTable` where that device is there. */
export function nftHooks(plan: MirrorPlan, n: number): string {
  const device = plan.interfaces[n] ?? "";
  const chain = (name: string, hook: string, priority: number) => [
    `	chain ${name}${n} {`,
    `		type filter hook ${hook} device "${device}" priority ${priority}; policy accept;`,
    "		meta l4proto tcp jump select",
    "	}",
  ];
  const lines = [
    `table netdev ${plan.name} {`,
    ...chain("arriving", "ingress", ARRIVING_PRIORITY),
    ...(plan.direction === "both" ? chain("leaving", "egress", LEAVING_PRIORITY) : []),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** Nobody sends anything into the router by way of the mirror's devices; what comes out of the pair goes to the tunnel. */
function deviceChains(plan: MirrorPlan): string[] {
  if (plan.target.kind === "tap") return [];
  const second = secondDevice(plan);
  const refuse = (chain: string, device: string) => [
    `	chain ${chain} {`,
    `		type filter hook ingress device "${device}" priority ${ARRIVING_PRIORITY}; policy drop;`,
  ];
  return [
    ...refuse("incoming", plan.name),
    "	}",
    ...(second === null ? [] : [...refuse("onward", second), `		fwd to "${plan.name}"`, "	}"]),
  ];
}

/** The whole rule set, every device included, as `nft -f` takes it. */
export function nftRuleset(plan: MirrorPlan): string {
  return [nftTable(plan), ...plan.interfaces.map((_, n) => nftHooks(plan, n))].join("");
}

function excludedSets({ ranges, ports }: Exclusions): string[] {
  const set = (name: string, type: string, elements: readonly string[]) =>
    elements.length === 0
      ? []
      : [
          `	set ${name} {`,
          `		type ${type}`,
          "		flags interval",
          "		auto-merge",
          `		elements = { ${elements.join(", ")} }`,
          "	}",
        ];
  return [
    ...set("excluded4", "ipv4_addr", rangeTexts(ranges, 4)),
    ...set("excluded6", "ipv6_addr", rangeTexts(ranges, 6)),
    ...set(
      "excluded_ports",
      "inet_service",
      ports.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)),
    ),
  ];
}

function excludedRules({ ranges, ports }: Exclusions): string[] {
  const either = (one: string, other: string, set: string) => [
    `		${one} @${set} return`,
    `		${other} @${set} return`,
  ];
  return [
    ...(rangeTexts(ranges, 4).length === 0 ? [] : either("ip saddr", "ip daddr", "excluded4")),
    ...(rangeTexts(ranges, 6).length === 0 ? [] : either("ip6 saddr", "ip6 daddr", "excluded6")),
    ...(ports.length === 0 ? [] : either("tcp sport", "tcp dport", "excluded_ports")),
  ];
}

function rangeTexts(ranges: readonly AddressRange[], family: 4 | 6): string[] {
  return ranges
    .filter((range) => range.family === family)
    .map(({ words, length }) => `${family === 4 ? ipv4Text(words[0]) : ipv6Text(words)}/${length}`);
}
