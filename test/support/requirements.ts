import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);

function runs(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore", timeout: 30_000 }).status === 0;
}

/** Whether PATH has a program of this name. */
export function onPath(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

function loads(name: string): boolean {
  try {
    require(name);
    return true;
  } catch {
    return false;
  }
}

function javaVersion(): number {
  const { stderr } = spawnSync("java", ["-version"], { encoding: "utf8" });
  return Number(/version "(\d+)/.exec(stderr ?? "")?.[1] ?? 0);
}

/** What a namespace needs is asked of the kernel by making one: containers often forbid it to root. */
function namespaces(): boolean {
  const name = `rejoin-probe-${process.pid}`;
  return runs("ip", "netns", "add", name) && runs("ip", "netns", "del", name);
}

/** Whether commands of `ip`, `nft` or `tc` go through in a namespace of their own. */
function kernelTakes(commands: string): boolean {
  const name = `rejoin-probe-${process.pid}`;
  const script = `ip netns add ${name} && ip netns exec ${name} sh -ec '${commands}'; s=$?; ip netns del ${name}; exit $s`;
  return runs("sh", "-c", script);
}

const PROGRAMS = [
  "buildah",
  "capinfos",
  "curl",
  "editcap",
  "ethtool",
  "go",
  "gzip",
  "hadolint",
  "helm",
  "ip",
  "iptables",
  "javac",
  "jq",
  "kubeconform",
  "mmdebstrap",
  "mvn",
  "nft",
  "nstat",
  "openssl",
  "podman",
  "prlimit",
  "prometheus",
  "promtool",
  "python3",
  "runc",
  "ss",
  "suricata",
  "taskset",
  "tc",
  "tcpdump",
  "tshark",
  "wg",
  "zstd",
] as const;

/** Things a test may need beyond Node and programs, each with the question that finds out. */
const PROBES = {
  root: () => process.getuid?.() === 0,
  Linux: () => process.platform === "linux",
  "network namespaces": namespaces,
  "kernel MPTCP": () => existsSync("/proc/sys/net/mptcp/enabled"),
  "nft on what leaves": () =>
    kernelTakes(
      'ip link add probe type veth peer name other; nft add table netdev t; nft "add chain netdev t c { type filter hook egress device probe priority 0; }"',
    ),
  "tc with BPF": () =>
    kernelTakes(
      'tc qdisc add dev lo clsact; tc filter add dev lo ingress bpf bytecode "1,6 0 0 1" action mirred egress mirror dev lo',
    ),
  "VXLAN devices": () => kernelTakes("ip link add probe type vxlan id 1 remote 192.0.2.1 dstport 4789"),
  "GRE devices": () => kernelTakes("ip link add probe type gretap remote 192.0.2.1"),
  "Geneve devices": () => kernelTakes("ip link add probe type geneve id 1 remote 192.0.2.1"),
  WireGuard: () => onPath("wireguard") || kernelTakes("ip link add probe type wireguard"),
  "TAP devices": () => kernelTakes("ip tuntap add probe mode tap"),
  "Java 17": () => javaVersion() >= 17,
  koffi: () => loads("koffi"),
  "raw-socket": () => loads("raw-socket"),
  "python3 venv": () => runs("python3", "-c", "import ensurepip, venv"),
};

/** A name that `needs` knows: a program of the list above or one of the probes. */
export type Requirement = (typeof PROGRAMS)[number] | keyof typeof PROBES;

function isMet(name: Requirement): boolean {
  return name in PROBES ? PROBES[name as keyof typeof PROBES]() : onPath(name);
}

const answers = new Map<Requirement, boolean>();

/**
 * Says why a test cannot run here, such as `needs root, tcpdump`; undefined when it can. Each question is asked once
 * per process.
 */
export function needs(...names: readonly Requirement[]): string | undefined {
  const missing = names.filter((name) => {
    const answer = answers.get(name) ?? isMet(name);
    answers.set(name, answer);
    return !answer;
  });
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}`;
}

/**
 * A test's title with the reason it is skipped for, so that the list at the end of a run tells it:
 * `describe.skipIf(reason)(titled("the lab", reason), ...)`.
 */
export function titled(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} (skipped: ${reason})`;
}
