import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Network, NodeProcess } from "../../lab/network.ts";
import { PacketCount } from "../../lab/packet-count.ts";
import { StalledTransfer, type TransferOptions, type TransferTruth, transfer } from "../../lab/transfer.ts";
import { ADDRESSES, buildTwoPaths, joinFromSecondAddress, LAB } from "../../lab/two-paths.ts";
import { needs } from "../../support/requirements.ts";
import { type LogLine, Program } from "../program.ts";

/** Why agents on routers of the lab cannot be tried here; undefined where they can. */
export const missing = needs(...LAB, "nft", "koffi");

/** What the collector's node is called from router1, and the address of a second collector in it. */
export const [COLLECTOR] = ADDRESSES.collector.ipv4;
export const SECOND = "172.31.1.101";

const TAKE_DATAGRAMS = `
import socket, sys, time
sockets = []
for address in sys.argv[1:]:
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((address, 4754))
    sockets.append(one)
print("listening", flush=True)
time.sleep(600)`;

const ENDS = { clientAddress: ADDRESSES.client.ipv4[0], serverAddress: ADDRESSES.server.ipv4[0] };

/** The lab with a second collector's address, for agents on its routers and what stands beside them. */
export class Edge {
  readonly network: Network;
  readonly folder = mkdtempSync(join(tmpdir(), "rejoin-edge-"));
  private readonly running = new Set<Program>();
  private files = 0;

  constructor() {
    const network = buildTwoPaths();
    joinFromSecondAddress(network);
    network.ip("collector", "address", "add", `${SECOND}/24`, "dev", "mgmt1");
    network.ip("router2", "route", "add", "172.31.1.0/24", "via", ADDRESSES.collector.ipv4[1]);
    network.ip("collector", "route", "add", "172.31.2.0/24", "dev", "mgmt2", "metric", "5");
    network.sysctl("collector", "net.ipv4.ip_forward=0");
    this.network = network;
  }

  async close(): Promise<void> {
    await this.network.close();
    rmSync(this.folder, { recursive: true });
  }

  /** Ends programs that a test left. */
  async endAll(): Promise<void> {
    await Promise.all([...this.running].map((program) => program.stop()));
    this.running.clear();
  }

  /** A Python program that has said something. */
  async started(node: string, script: string, ...args: readonly string[]): Promise<NodeProcess> {
    const child = this.network.spawn(node, "python3", ["-c", script, ...args]);
    await once(child.stdout, "data");
    return child;
  }

  /** Somebody at these addresses of the collector's node: without, its kernel would refuse copies. */
  listener(...addresses: readonly string[]): Promise<NodeProcess> {
    return this.started("collector", TAKE_DATAGRAMS, ...addresses);
  }

  /** A program that is ended with the test, if not before. */
  async program(node: string, says: RegExp, ...args: readonly string[]): Promise<Program> {
    const program = new Program(this.network, node, ...args);
    this.running.add(program);
    await program.says(says);
    return program;
  }

  /** An agent on a router that captures both ways on an interface: that to the server, where nothing else is said. */
  agent(router: string, configuration: object, device = "core"): Promise<Program> {
    const file = join(this.folder, `agent-${this.files++}.yaml`);
    writeFileSync(file, JSON.stringify(configuration));
    return this.program(router, /agent .* started/, "agent", "--config", file, "--interface", device);
  }

  /** Ends an agent and returns what it counted. Throws when it does not end well. */
  async ended(program: Program): Promise<LogLine & { readonly flows: Record<string, number> }> {
    this.running.delete(program);
    const status = await program.stop();
    if (status !== 0) throw new Error(`an agent ended with ${status}: ${program.errors}`);
    return program.logged(/ended/) as LogLine & { readonly flows: Record<string, number> };
  }

  /** Ends a program at once, without a chance to do anything about it. */
  async kill(program: Program): Promise<void> {
    this.running.delete(program);
    program.kill("SIGKILL");
    await program.ended();
  }

  /** tcpdump on a device. */
  async watch(node: string, device: string, filter: string): Promise<PacketCount> {
    const file = join(this.folder, `${node}-${device}-${this.files++}.pcap`);
    const count = new PacketCount(this.network, node, device, filter, file);
    await count.started();
    return count;
  }

  /** A transfer, tried again where the kernel let it stall. */
  async carry(options: Partial<TransferOptions>): Promise<TransferTruth> {
    const all = { ...ENDS, connections: 1, fromClient: 200_000, fromServer: 150_000, ...options };
    for (let tries = 1; ; tries++) {
      try {
        return await transfer(this.network, all);
      } catch (error) {
        if (!(error instanceof StalledTransfer) || tries === 3) throw error;
      }
    }
  }
}
