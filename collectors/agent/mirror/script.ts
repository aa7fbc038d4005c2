import { nftHooks, nftTable } from "./nft-rules.ts";
import { firstDevice, type MirrorPlan, secondDevice } from "./plan.ts";
import { TC_PREFERENCE, tcDeviceFilters, tcFilters, tcProgram } from "./tc-rules.ts";

/** Packets that wait in a TAP for the agent, each some kilobytes of kernel memory; further ones are dropped and counted. */
const TAP_QUEUE = 8192;
/** Two VLAN tags: what a packet may be longer than its device's MTU by. */
const TAGS_OCTETS = 8;
/** Of every device that has one: less than any kind's largest. */
const MAX_MTU = 65_000;
/** Ethernet, and the rest before it: VXLAN, UDP and IP; GRE with key and sequence number, and IP. */
const OVERHEAD_OCTETS = { vxlan: { 4: 50, 6: 70 }, gre: { 4: 46, 6: 66 } } as const;

/**
 * A shell script that makes a plan's device and rules, looks after them and removes them, with `nft` or `tc`, and `ip`. It
 * runs alone on a router, or is kept by an agent, which is the second word then. Throws as `tcProgram` does.
 *
 * The device's alias says whose the mirror is and which devices, by number, its rules are on. A device that was made anew has
 * another number, a mirror device that was made anew no alias: then everything is installed again.
 */
export function mirrorScript(plan: MirrorPlan): string {
  return [
    heading(plan),
    SHARED,
    deviceFunction(plan),
    plan.by === "nft" ? nftFunctions(plan) : tcFunctions(plan),
    VERBS,
  ].join("\n");
}

function heading({ name, interfaces, direction, target, by }: MirrorPlan): string {
  const from = `${interfaces.join(", ")} (${direction === "in" ? "what arrives" : "both ways"})`;
  const to = target.kind === "tap" ? "the agent" : `${target.address}, in ${target.kind.toUpperCase()}`;
  return `#!/bin/sh
# Copies of MPTCP flows on ${from} to ${to}, made by this kernel with ${by}. Written by rejoin agent.
#   start   installs the mirror, anew where there is one
#   check   the same where a device was made anew or something is gone; every minute, from cron, is a good time
#   stop    removes it
#   counts  what it did
${note(target)}name=${name}
devices='${interfaces.join(" ")}'
`;
}

/** What whoever installs the script by hand has to know. */
function note(target: MirrorPlan["target"]): string {
  if (target.kind === "tap") return "";
  const listen = target.kind === "vxlan" ? `--listen-udp vxlan=${target.port}` : "--listen-gre";
  return `# The collector needs ${listen}. Interfaces are those of the machine that wrote this: no pattern is left.
`;
}

const SHARED = `owner=
PATH=$PATH:/usr/sbin:/sbin
say() { printf '%s\\n' "$name: $*" >&2; }
present() { [ -e "/sys/class/net/$1" ]; }
needs() {
	command -v "$1" >/dev/null || { say "$1 is not installed, or not in PATH"; return 1; }
}

# The value of a device's attribute, empty where there is none.
value() {
	value=
	[ -r "/sys/class/net/$1" ] && read -r value 2>/dev/null <"/sys/class/net/$1"
	:
}

# When a process began, to tell it from a later one with its number; empty when it is no more.
birth() {
	birth=
	[ -r "/proc/$1/stat" ] && read -r birth 2>/dev/null <"/proc/$1/stat"
	# shellcheck disable=SC2086
	set -- \${birth##*) }
	birth=\${20:-}
}

# What the alias of the mirror device says while everything is whole.
whole() {
	mine="rejoin mirror of \${owner:-nobody}"
	whole="$mine on"
	for device in $devices; do
		value "$device/ifindex"
		whole="$whole $device=\${value:-none}"
	done
}

# True when a process that lives keeps a mirror of this name.
kept() {
	value "$name/ifalias"
	case $value in "rejoin mirror of "[0-9]*) ;; *) return 1 ;; esac
	value=\${value#rejoin mirror of }
	value=\${value%% *}
	[ "$value" != "$owner" ] || return 1
	birth "\${value%.*}"
	[ "$birth" = "\${value#*.}" ] || return 1
	say "process \${value%.*} mirrors under this name: end it first, or take another name"
}

# IPv6 would say something of its own on a new device.
quiet() {
	if [ -w "/proc/sys/net/ipv6/conf/$1/disable_ipv6" ]; then echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"; fi
	ip link set dev "$1" up
}

# Takes the filters' discipline off a device when there are none.
tidy() {
	[ -n "$(tc filter show dev "$1" ingress)$(tc filter show dev "$1" egress)" ] || tc qdisc del dev "$1" clsact
}

remove() {
	if command -v nft >/dev/null; then
		printf 'table netdev %s\\ndelete table netdev %s\\n' "$name" "$name" | nft -f - || return 1
	fi
	if command -v tc >/dev/null; then
		for device in /sys/class/net/*; do
			device=\${device##*/}
			for hook in ingress egress; do
				case $(tc filter show dev "$device" $hook pref ${TC_PREFERENCE} 2>/dev/null) in
				*"Mirror to device $name)"* | *"Mirror to device $name-in)"* | *"Mirror to device *)"*)
					tc filter del dev "$device" $hook pref ${TC_PREFERENCE} && tidy "$device" || return 1
					;;
				esac
			done
		done
	fi
	for device in "$name" "$name-in"; do
		value "$device/ifalias"
		case $value in "rejoin mirror of "*) ;; *) continue ;; esac
		# A TAP goes with its agent.
		[ -e "/sys/class/net/$device/tun_flags" ] || ip link del dev "$device" || return 1
	done
}

stop() {
	kept && return 1
	remove
}
`;

/**
 * A script that removes what mirrors of agents left that are no more, whatever they consisted of; it leaves alone what a process
 * or a script keeps.
 */
export const CLEANING_SCRIPT = `devices=
name=rejoin
${SHARED}
names=rejoin
if command -v nft >/dev/null; then
	for word in $(nft list tables netdev); do
		case $word in rejoin?*) names="$names $word" ;; esac
	done
fi
for device in /sys/class/net/rejoin*; do
	device=\${device##*/}
	! present "$device" || names="$names \${device%%-*}"
done
status=0
for name in $names; do
	value "$name/ifalias"
	case $value in "rejoin mirror of nobody on"*) continue ;; esac
	stop || status=1
done
exit $status
`;

const VERBS = `
start() {
	kept && return 1
	remove || return 1
	whole
	if mirror_device && rules; then
		ip link set dev "$name" alias "$whole"
	else
		remove
		return 1
	fi
}

check() {
	awaited && return
	whole
	value "$name/ifalias"
	[ "$value" = "$whole" ] && intact && return
	say "a device was made anew, or rules are gone: installing the mirror again"
	start
}

counts() {
	for count in tx_packets tx_bytes tx_dropped tx_errors; do
		value "$name/statistics/$count"
		printf '%s %s\\n' "$count" "\${value:-0}"
	done
	unremembered
}

case \${1:-} in
start | check | stop | counts) "$1" ;;
keep)
	# An agent says what to do, a word a line, and reads what became of it. When it is no more, so is the mirror.
	trap '' HUP INT TERM
	birth "$2"
	owner=$2.$birth
	while read -r word; do
		case $word in
		start | check | counts) "$word" 2>&1 ;;
		*) false ;;
		esac
		echo "status $?"
	done
	stop 2>&1
	;;
*)
	printf '%s\\n' "usage: sh $0 start | check | stop | counts" >&2
	exit 2
	;;
esac
`;

/** `mirror_device`: makes the device that takes the copies, or makes the agent's TAP ready, and says where copies will be cut up. */
function deviceFunction(plan: MirrorPlan): string {
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

function nftFunctions(plan: MirrorPlan): string {
  const hooks = plan.interfaces.map(
    (device, n) => `	! present '${device}' || cat <<'RULES'\n${nftHooks(plan, n)}RULES`,
  );
  return `rules() {
	needs nft && rule_set | nft -f -
}

rule_set() {
	cat <<'RULES'
${nftTable(plan)}RULES
${hooks.join("\n")}
}

intact() { nft list counter netdev "$name" copied >/dev/null 2>&1; }
unremembered() {
	# shellcheck disable=SC2046
	set -- $(nft list counter netdev "$name" unremembered)
	while [ $# -gt 1 ]; do
		[ "$1" != packets ] || echo "unremembered $2"
		shift
	done
}
`;
}

function tcFunctions(plan: MirrorPlan): string {
  const filters = tcFilters(plan, '"$1"').map((line) => `	${line}`);
  const onDevices = tcDeviceFilters(plan).map((line) => `	${line} || return 1`);
  return `program='${tcProgram(plan)}'

rules() {
	needs tc || return 1
${onDevices.join("\n")}
	for device in $devices; do
		if present "$device"; then hook "$device" || return 1; fi
	done
}

hook() {
	case $(tc qdisc show dev "$1") in *clsact*) ;; *) tc qdisc add dev "$1" clsact || return 1 ;; esac
${filters.join(" &&\n")} ||
		{ tidy "$1"; return 1; }
}

intact() {
	for device in $devices; do
		present "$device" || continue
		case $(tc filter show dev "$device" ingress pref ${TC_PREFERENCE}) in *"Mirror to device ${firstDevice(plan)})"*) ;; *) return 1 ;; esac
	done
}
unremembered() { :; }
`;
}
