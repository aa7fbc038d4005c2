import { firstDevice, type MirrorPlan, secondDevice } from "./plan.ts";

/** Packets that wait in a TAP for the agent, each some kilobytes of kernel memory; further ones are dropped and counted. */
const TAP_QUEUE = 8192;
/** Two VLAN tags: what a packet may be longer than its device's MTU by. */
const TAGS_OCTETS = 8;
/** Of every device that has one: less than any kind's largest. */
const MAX_MTU = 65_000;
/** Ethernet, and the rest before it: VXLAN, UDP and IP; GRE with key and sequence number, and IP. */
const OVERHEAD_OCTETS = { vxlan: { 4: 50, 6: 70 }, gre: { 4: 46, 6: 66 } } as const;

/**
 * The functions of a mirror's script that are about its device: `mirror_device` makes the one that takes the copies, or makes
 * the agent's TAP ready, and says where copies will be cut up; `awaited` is true while an agent has yet to make its TAP.
 */
export function deviceFunction(plan: MirrorPlan): string {
  const { target } = plan;
  const first = firstDevice(plan);
  const second = secondDevice(plan);
  const alias = 'alias "$mine"';
  const lines = [
    "	needs ip || return 1",
    "	largest=1280",
    "	for device in $devices; do",
    '		present "$device" || { say "there is no device $device; nothing is mirrored there until it comes"; continue; }',
    '		value "$device/mtu"',
    '		[ "$value" -le "$largest" ] || largest=$value',
    "	done",
    `	mtu=$((largest + ${TAGS_OCTETS}))`,
    `	[ "$mtu" -le ${MAX_MTU} ] || mtu=${MAX_MTU}`,
  ];
  if (target.kind === "tap") {
    lines.push(`	ip link set dev "$name" mtu "$mtu" txqueuelen ${TAP_QUEUE} ${alias} || return 1`, '	quiet "$name"');
    // An agent whose TAP is gone makes another, and asks again then.
    return ['awaited() { ! present "$name"; }', "", "mirror_device() {", ...lines, "}", ""].join("\n");
  }
  lines.push(
    ...wayToCollector(target),
    '	! present "$name" || { say "there is a device of this name that is not mine; take another name"; return 1; }',
    `	ip link add dev "$name" mtu "$mtu" type ${deviceType(target)} || return 1`,
    `	ip link set dev "$name" ${alias} || return 1`,
    '	quiet "$name" || return 1',
  );
  if (second !== null) {
    lines.push(
      "	# A copy of what leaves has the packet's route with it, in which the kernel would note the size of the way to the",
      "	# collector. Between this pair it loses it, and no monitored host hears of that size.",
      `	! present ${first} || { say "there is a device ${first} that is not mine; take another name"; return 1; }`,
      `	ip link add dev ${first} mtu 65535 type veth peer name ${second} mtu 65535 || return 1`,
      `	ip link set dev ${first} ${alias} || return 1`,
      `	quiet ${second} && quiet ${first}`,
    );
  }
  return ["awaited() { false; }", "", "mirror_device() {", ...lines, "}", ""].join("\n");
}

type Tunnel = Exclude<MirrorPlan["target"], { readonly kind: "tap" }>;

const familyOf = ({ address }: Tunnel): 4 | 6 => (address.includes(":") ? 6 : 4);

function deviceType(target: Tunnel): string {
  const { address } = target;
  if (target.kind === "vxlan") return `vxlan id ${target.vni} remote ${address} dstport ${target.port} nolearning`;
  const key = target.key === null ? "" : ` okey ${target.key}`;
  // Without these two the kernel tells hosts in ICMP errors that their packets are too long for the tunnel.
  if (familyOf(target) === 4) return `gretap remote ${address}${key} oseq nopmtudisc ignore-df`;
  return `ip6gretap remote ${address}${key} oseq encaplimit none`;
}

/** Looks how much the way to the collector takes: too little means fragments, and with GRE over IPv6 ICMP errors to hosts. */
function wayToCollector(target: Tunnel): string[] {
  const family = familyOf(target);
  const overhead = OVERHEAD_OCTETS[target.kind][family];
  const isTold = target.kind === "gre" && family === 6;
  const consequence = isTold
    ? `say "packets beyond $room octets do not fit into GRE over IPv6, and the kernel would tell their hosts so: raise the MTU of the way, or take vxlan"; return 1`
    : 'say "copies of packets beyond $room octets go to the collector in IP fragments"';
  return [
    "	way= room=",
    "	# shellcheck disable=SC2046",
    `	set -- $(ip -o route get ${target.address} 2>/dev/null)`,
    "	while [ $# -gt 1 ]; do",
    '		case $1 in dev) way=$2 ;; mtu) room=$2; [ "$room" != lock ] || room=$3 ;; esac',
    "		shift",
    "	done",
    `	[ -n "$way" ] || { say "there is no route to ${target.address}"; return 1; }`,
    '	value "$way/mtu"',
    '	[ -n "$room" ] && [ "$room" -lt "$value" ] || room=$value',
    `	room=$((room - ${overhead}))`,
    `	if [ "$room" -lt "$largest" ]; then ${consequence}; fi`,
  ];
}
