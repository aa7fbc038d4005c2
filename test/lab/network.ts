import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { Readable, Writable } from "node:stream";

/** A program that runs in a node, with all three streams piped. */
export type NodeProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** One end of a link: a node, the interface's name there, and its addresses with prefix length. */
export interface LinkEnd {
  readonly node: string;
  readonly name: string;
  readonly addresses: readonly string[];
}

const PREFIX = "rejoin";
/** A process asked to end has so long before it is killed. */
const PATIENCE_MS = 15_000;

let made = 0;

/** Runs a program and returns what it prints. Throws with its error output when it fails. */
function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/**
 * Nodes that are network namespaces, joined by veth pairs. The namespaces carry the process id of their maker, so that
 * networks of several runs stand side by side, and what a killed run left is removed by the next. `close` ends every
 * process inside and removes all.
 */
export class Network {
  private readonly prefix = `${PREFIX}-${process.pid}-${made++}`;
  private readonly nodes: readonly string[];
  private readonly processes = new Set<NodeProcess>();

  /** Makes the nodes; throws when the kernel refuses. */
  constructor(...nodes: readonly string[]) {
    removeAbandoned();
    this.nodes = nodes;
    for (const node of nodes) {
      run("ip", "netns", "add", this.namespace(node));
      this.ip(node, "link", "set", "lo", "up");
      this.sysctl(node, "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0");
      this.sysctl(node, "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0");
    }
  }

  /** The namespace that a node is. */
  namespace(node: string): string {
    return `${this.prefix}-${node}`;
  }

  /** Runs a program in a node to its end and returns what it prints. Throws when it fails. */
  exec(node: string, program: string, ...args: string[]): string {
    return run("ip", "netns", "exec", this.namespace(node), program, ...args);
  }

  /** Runs `ip` for a node. Throws when it fails. */
  ip(node: string, ...args: string[]): string {
    return run("ip", "-n", this.namespace(node), ...args);
  }

  /** Sets kernel parameters of a node, each `name=value`. Throws when one is not known. */
  sysctl(node: string, ...settings: string[]): void {
    this.exec(node, "sysctl", "-qw", ...settings);
  }

  /**
   * Joins two nodes. The veth pair has no offloads, so that a capture shows what a wire would carry: packets of at most
   * one MTU, with finished checksums.
   */
  link(a: LinkEnd, b: LinkEnd): void {
    const peer = ["peer", "name", b.name, "netns", this.namespace(b.node)];
    run("ip", "link", "add", a.name, "netns", this.namespace(a.node), "type", "veth", ...peer);
    for (const { node, name, addresses } of [a, b]) {
      const features = ["tx", "rx", "sg", "tso", "gso", "gro"].flatMap((feature) => [feature, "off"]);
      this.exec(node, "ethtool", "-K", name, ...features);
      for (const address of addresses) {
        this.ip(node, "address", "add", address, "dev", name, ...(address.includes(":") ? ["nodad"] : []));
      }
      this.ip(node, "link", "set", name, "up");
    }
  }

  /** Starts a program in a node; it is ended with the network, if not before. */
  spawn(node: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): NodeProcess {
    const child = spawn("ip", ["netns", "exec", this.namespace(node), program, ...args], { stdio: "pipe", env });
    this.processes.add(child);
    child.once("exit", () => this.processes.delete(child));
    return child;
  }

  /** Ends all processes that `spawn` started and that still run, kindly at first. */
  async endProcesses(): Promise<void> {
    await Promise.all([...this.processes].map(stop));
  }

  /** Ends all processes and removes the nodes. */
  async close(): Promise<void> {
    await this.endProcesses();
    for (const node of this.nodes) removeNamespace(this.namespace(node));
  }
}

/** Ends a process: SIGTERM, and SIGKILL where that does not help in time. Returns its exit status, null after a signal. */
export async function stop(child: NodeProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  // Not "exit": what it said last may still be in its pipes then.
  const gone = once(child, "close");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  await gone;
  clearTimeout(timer);
  return child.exitCode;
}

/** Removes a namespace; a process that somebody else's program left inside is killed, for nothing else is in there. */
function removeNamespace(name: string): void {
  for (const pid of run("ip", "netns", "pids", name).split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  run("ip", "netns", "del", name);
}

/** Removes namespaces whose maker is no more. */
function removeAbandoned(): void {
  for (const line of run("ip", "netns", "list").split("\n")) {
    const [, name, pid] = new RegExp(`^(${PREFIX}-(\\d+)-\\S+)`).exec(line) ?? [];
    if (name !== undefined && !existsSync(`/proc/${pid}`)) removeNamespace(name);
  }
}
