import { deviceFunction } from "./device-function.ts";
import { nftHooks, nftTable } from "./nft-rules.ts";
import { firstDevice, type MirrorPlan } from "./plan.ts";
import { TC_PREFERENCE, tcDeviceFilters, tcFilters, tcProgram } from "./tc-rules.ts";

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
#   check   the same where a started one has a device that was made anew, or lost something; every minute, from cron, is a
#           good time
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

# True when a device has filters that copy to this mirror, or to a device that is gone.
filtered() {
	case $(tc filter show dev "$1" "$2" pref ${TC_PREFERENCE} 2>/dev/null) in
	*"Mirror to device $name)"* | *"Mirror to device $name-in)"* | *"Mirror to device *)"*) ;;
	*) return 1 ;;
	esac
}

remove() {
	if command -v nft >/dev/null; then
		printf 'table netdev %s\\ndelete table netdev %s\\n' "$name" "$name" | nft -f - || return 1
	fi
	if command -v tc >/dev/null; then
		for device in /sys/class/net/*; do
			device=\${device##*/}
			for hook in ingress egress; do
				filtered "$device" $hook || continue
				tc filter del dev "$device" $hook pref ${TC_PREFERENCE} && tidy "$device" || return 1
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

# True when a device is a mirror's.
mirrors() {
	value "$1/ifalias"
	case $value in "rejoin mirror of "*) ;; *) return 1 ;; esac
}

check() {
	awaited && return
	# What an agent keeps was started. Nobody else remembers: what is left of a mirror tells.
	if [ -z "$owner" ] && ! mirrors "$name" && ! mirrors "$name-in" && ! left; then
		say "there is no mirror: it was not started, or stopped"
		return
	fi
	whole
	value "$name/ifalias"
	[ "$value" = "$whole" ] && intact && return
	say "a device was made anew, or rules are gone: installing the mirror again"
	start
}

counts() {
	mirrors "$name" || { say "there is no mirror"; return 1; }
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

# True when there are rules of a mirror of this name.
left() { nft list table netdev "$name" >/dev/null 2>&1; }
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

# True when there are filters of a mirror of this name.
left() {
	for device in $devices; do
		filtered "$device" ingress && return
		filtered "$device" egress && return
	done
	return 1
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
