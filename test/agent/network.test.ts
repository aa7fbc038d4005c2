import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { askStatus } from "../../collectors/agent/status.ts";
import { GRE_AGENT_REPORT } from "../../src/wire/agent-report.ts";
import { ACK } from "../../src/wire/tcp.ts";
import { Program } from "../e2e/program.ts";
import type { Network } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { ipPackets, pcapFile } from "../support/pcap.ts";
import type { StatedPacket } from "../support/pcapng.ts";
import { needs, titled } from "../support/requirements.ts";
import { BEGIN, conversation, packetOf, payloadPackets } from "./frames.ts";
import { type Copy, copyOf } from "./receiver.ts";
import { tapEdgeCore } from "./tap-edge-core.ts";

const INJECT = fileURLToPath(new URL("inject.py", import.meta.url));
const LISTEN = `
import socket, time
listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
listener.bind(("::", 4754))
print("listening", flush=True)
time.sleep(600)`;
const MPTCP = [...conversation(1001, 0, true), ...conversation(1002, 300, true, 6)];
const TRAFFIC = [...MPTCP, ...conversation(1003, 600, false)];

let folder: string;
let network: Network;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-agent-"));
  if (reason !== undefined) return;
  network = tapEdgeCore();
  // Somebody listens, or the kernel of the core would refuse copies.
  await once(network.spawn("core", "python3", ["-c", LISTEN]).stdout, "data");
});

afterEach(async () => {
  await network?.close();
  rmSync(folder, { recursive: true });
});

/** Options for an agent whose kernel keeps nothing back: these conversations have options on their SYNs alone. */
function unfiltered(): string[] {
  const file = join(folder, "unfiltered.yaml");
  writeFileSync(file, "capture:\n  kernelFilter: false\n");
  return ["--config", file];
}

function inject(node: string, device: string, packets: readonly StatedPacket[]): void {
  const file = join(folder, "inject.pcap");
  writeFileSync(file, pcapFile(packets));
  network.exec(node, "python3", INJECT, file, device);
}

/** The GRE in IPv4 or IPv6 packets without extension headers, out of UDP or not. */
function copies(file: string): Copy[] {
  return ipPackets(file)
    .map((packet) => {
      const version = (packet[0] ?? 0) >> 4;
      const protocol = version === 4 ? packet[9] : packet[6];
      return copyOf(packet.subarray((version === 4 ? 20 : 40) + (protocol === 17 ? 8 : 0)));
    })
    .filter(({ protocol }) => protocol !== GRE_AGENT_REPORT);
}

async function recording(node: string, device: string, filter: string): Promise<PacketCount> {
  const count = new PacketCount(network, node, device, filter, join(folder, `${device}.pcap`));
  await count.started();
  return count;
}

const reason = needs("Linux", "root", "network namespaces", "ethtool", "tcpdump", "python3", "koffi", "raw-socket");

describe.skipIf(reason)(titled("an agent between namespaces", reason), { timeout: 60_000 }, () => {
  it.each([
    { encapsulation: "udp", collector: "10.9.0.2", filter: "udp port 4754" },
    { encapsulation: "udp", collector: "fd09::2", filter: "udp port 4754" },
    { encapsulation: "gre", collector: "10.9.0.2", filter: "ip proto 47" },
    { encapsulation: "gre", collector: "fd09::2", filter: "ip6 proto 47" },
  ])(
    "sees every packet and sends MPTCP whole by $encapsulation to $collector",
    async ({ encapsulation, collector, filter }) => {
      const there = await recording("core", "core0", `${filter} and dst host ${collector}`);
      const beside = await recording("edge", "in0", "");
      const to = ["--collector", collector, "--encapsulation", encapsulation, "--key", "0xabcd"];
      const agent = new Program(network, "edge", "agent", "--interface", "in0", ...unfiltered(), ...to);
      await agent.says(/agent .* started/);
      inject("tap", "tap0", TRAFFIC);
      expect(await agent.stop()).toBe(0);
      await Promise.all([there.finish(), beside.finish()]);

      const counters = agent.logged(/ended/);
      expect(counters).toMatchObject({ selected: 410, sent: 410 + 3, cut: 0, failed: 0, dropped: 0, lost: 0 });
      expect(counters.seen).toBe(beside.count());
      expect(counters.seen).toBe(615);
      const sent = copies(there.file);
      expect(sent.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 410 }, (_, n) => n));
      expect(sent.map(({ packet }) => packet.toString("hex"))).toEqual(payloadPackets(MPTCP));
      expect(new Set(sent.map(({ key }) => key))).toEqual(new Set([0xabcd]));
    },
  );

  it.each(["10.9.0.2", "fd09::2"])(
    "over GRE hears from the host %s that nobody takes its copies",
    async (collector) => {
      const to = ["--collector", collector, "--encapsulation", "gre"];
      const agent = new Program(network, "edge", "agent", "--interface", "in0", ...unfiltered(), ...to);
      await agent.says(/agent .* started/);
      inject("tap", "tap0", TRAFFIC);
      await agent.says(/nobody listens at/);
      expect(await agent.stop()).toBe(0);
      const { refused, failed } = agent.logged(/ended/);
      expect(refused).toBeGreaterThan(0);
      expect(failed).toBe(0);
    },
  );

  it.skipIf(needs("nft"))("over GRE does not believe a host whose own tunnels refuse what a socket takes", async () => {
    const to = ["--collector", "10.9.0.2", "--encapsulation", "gre"];
    for (const line of [
      "add table inet own",
      "add chain inet own in { type filter hook input priority 0; }",
      "add rule inet own in ip protocol gre counter reject with icmpx port-unreachable",
    ])
      network.exec("core", "nft", line);
    const agent = new Program(network, "edge", "agent", "--interface", "in0", ...unfiltered(), ...to);
    await agent.says(/agent .* started/);
    const errors = await recording("edge", "out0", "icmp[0] == 3");
    inject("tap", "tap0", TRAFFIC);
    expect(await agent.stop()).toBe(0);
    await errors.finish();
    expect(errors.count()).toBeGreaterThan(0);
    expect(agent.logged(/ended/)).toMatchObject({ sent: 410 + 3, refused: 0, failed: 0 });
  });

  // 1,500 octets of IPv4: as long as the link takes without a delivery header.
  const full = [0, 1, 2].map((n) => packetOf({ atMicros: BEGIN + n, flags: ACK, option: true, payload: 1452 }));

  it("cuts a copy that the path does not take, unless it is told to fragment", async () => {
    const agent = new Program(network, "edge", "agent", "--interface", "in0", "--collector", "10.9.0.2", "--key", "1");
    const whole = new Program(network, "edge", "agent", "--interface", "in0", "--collector", "10.9.0.2", "--fragment");
    await Promise.all([agent.says(/started/), whole.says(/started/)]);
    const there = await recording("core", "core0", "ip and dst host 10.9.0.2");
    inject("tap", "tap0", full);
    await Promise.all([agent.stop(), whole.stop(), there.finish()]);

    expect(agent.logged(/ended/)).toMatchObject({ sent: 3 + 3, cut: 3, failed: 0 });
    expect(whole.logged(/ended/)).toMatchObject({ sent: 3 + 3, cut: 0, failed: 0 });
    const packets = ipPackets(there.file);
    const fragments = packets.filter((packet) => (packet.readUInt16BE(6) & 0x3fff) !== 0);
    const rest = packets.filter((packet) => (packet.readUInt16BE(6) & 0x3fff) === 0);
    expect(fragments).toHaveLength(6);
    expect(rest.map((packet) => packet.length)).toEqual([1500, 1500, 1500]);
    // The collector sees the cut: the payload packet still says its length.
    for (const packet of rest) {
      const { packet: payload } = copyOf(packet.subarray(28));
      expect([payload.length, payload.readUInt16BE(2)]).toEqual([1500 - 28 - 12, 1500]);
    }
  });

  it("does not copy its own copies where it captures on the interface it sends through", async () => {
    const agent = new Program(
      network,
      "edge",
      "agent",
      "--interface",
      "out0",
      "--collector",
      "10.9.0.2",
      ...unfiltered(),
    );
    const gre = new Program(network, "edge", "agent", "-i", "out0", "-c", "10.9.0.2", "-e", "gre", ...unfiltered());
    await Promise.all([agent.says(/started/), gre.says(/started/)]);
    inject("core", "core0", MPTCP);
    await Promise.all([agent.stop(), gre.stop()]);
    expect(agent.logged(/ended/)).toMatchObject({ selected: 410, sent: 410 + 3 });
    expect(gre.logged(/ended/)).toMatchObject({ selected: 410, sent: 410 + 3 });
  });

  it("with several interfaces copies what arrives, and not again what leaves", async () => {
    const agent = new Program(
      network,
      "edge",
      "agent",
      "--interface",
      "in0",
      "out0",
      "--collector",
      "10.9.0.2",
      ...unfiltered(),
    );
    await agent.says(/started/);
    inject("tap", "tap0", MPTCP.slice(0, 205));
    inject("edge", "in0", MPTCP.slice(205));
    await agent.stop();
    expect(agent.logged(/ended/)).toMatchObject({ selected: 205, sent: 205 + 3 });
  });

  it("says when its interface goes, and captures on the one that comes in its place", async () => {
    const agent = new Program(
      network,
      "edge",
      "agent",
      "--interface",
      "in0",
      "--collector",
      "10.9.0.2",
      ...unfiltered(),
    );
    await agent.says(/started/);
    inject("tap", "tap0", MPTCP.slice(0, 100));
    network.ip("edge", "link", "del", "in0");
    await agent.says(/interface in0 is gone/);
    network.link({ node: "tap", name: "tap0", addresses: [] }, { node: "edge", name: "in0", addresses: [] });
    await agent.says(/interface in0 is back/);
    inject("tap", "tap0", MPTCP.slice(0, 205));
    await agent.stop();
    expect(agent.logged(/ended/)).toMatchObject({ selected: 305, sent: 305 + 3 });
  });

  it.each([null, "nobody"])("captures through tcpdump as well, and asks it what it lost, as user %s", async (user) => {
    const [file, socket] = [join(folder, "tcpdump.yaml"), join(folder, "agent.sock")];
    writeFileSync(file, JSON.stringify({ user, status: { socket }, log: { reportSeconds: 1 } }));
    const words = ["--config", file, "-i", "in0", "-c", "10.9.0.2", "--capture", "tcpdump"];
    const agent = new Program(network, "edge", "agent", ...words);
    await agent.says(/started/);
    await agent.says(/so far/);
    inject("tap", "tap0", TRAFFIC);
    // A tcpdump that is ended does not read what its kernel has for it.
    const selected = async () => JSON.parse(await askStatus(socket)).counters.selected;
    await vi.waitUntil(async () => (await selected()) === 410, { timeout: 20_000 });
    expect(await agent.stop()).toBe(0);
    expect(agent.logged(/ended/)).toMatchObject({ selected: 410, sent: 410 + 3, lost: 0 });
  });
});
