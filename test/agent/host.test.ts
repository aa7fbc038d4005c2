import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AgentStatus } from "../../collectors/agent/agent-contract.ts";
import { askStatus } from "../../collectors/agent/status.ts";
import { ACK, SYN } from "../../src/wire/tcp.ts";
import { type LogLine, Program } from "../e2e/program.ts";
import { Network } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { pcapFile } from "../support/pcap.ts";
import type { StatedPacket } from "../support/pcapng.ts";
import { needs, titled } from "../support/requirements.ts";
import { BEGIN, packetOf } from "./frames.ts";

const INJECT = fileURLToPath(new URL("inject.py", import.meta.url));
const LISTEN = `
import socket, time
listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind(("10.8.0.2", 4754))
print("listening", flush=True)
time.sleep(600)`;
const COLLECTOR = "10.8.0.2";

let folder: string;
let network: Network;
let configuration: string;
let socket: string;

/** tap -(in0)- edge - mid - core: frames come in at `in0`, copies go over `mid`, whose second link is narrower. */
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-host-"));
  configuration = join(folder, "agent.yaml");
  socket = join(folder, "agent.sock");
  if (reason !== undefined) return;
  network = new Network("tap", "edge", "mid", "core");
  network.link({ node: "tap", name: "tap0", addresses: [] }, { node: "edge", name: "in0", addresses: [] });
  network.link(
    { node: "edge", name: "out0", addresses: ["10.9.0.1/24"] },
    { node: "mid", name: "mid0", addresses: ["10.9.0.2/24"] },
  );
  network.link(
    { node: "mid", name: "mid1", addresses: ["10.8.0.1/24"] },
    { node: "core", name: "core0", addresses: [`${COLLECTOR}/24`] },
  );
  network.sysctl("mid", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0");
  network.ip("edge", "route", "add", "10.8.0.0/24", "via", "10.9.0.2");
  network.ip("core", "route", "add", "10.9.0.0/24", "via", "10.8.0.1");
  await once(network.spawn("core", "python3", ["-c", LISTEN]).stdout, "data");
  network.sysctl("tap", "net.ipv6.conf.tap0.disable_ipv6=1");
  network.sysctl("edge", "net.ipv6.conf.in0.disable_ipv6=1");
});

afterEach(async () => {
  await network?.close();
  rmSync(folder, { recursive: true });
});

function inject(packets: readonly StatedPacket[]): void {
  const file = join(folder, "inject.pcap");
  writeFileSync(file, pcapFile(packets));
  network.exec("tap", "python3", INJECT, file, "tap0");
}

async function agent(keys: object): Promise<Program> {
  writeFileSync(configuration, JSON.stringify({ collector: COLLECTOR, status: { socket }, ...keys }));
  const program = new Program(network, "edge", "agent", "--config", configuration, "--interface", "in0");
  await program.says(/agent .* started/);
  return program;
}

/** What an agent counted that has ended, without the reports of its own counts: in `sent`, copies alone. */
const copied = (program: Program): LogLine => {
  const counters = program.logged(/ended/);
  return { ...counters, sent: Number(counters.sent) - Number(counters.reports) };
};

/** Waits until an agent says so of itself at its status socket. */
async function until(holds: (status: AgentStatus) => boolean): Promise<void> {
  await vi.waitUntil(async () => holds(JSON.parse(await askStatus(socket)) as AgentStatus), {
    timeout: 20_000,
    interval: 50,
  });
}

/** Segments of an MPTCP flow, each with an option or none has, that carry so many octets. */
const segments = (count: number, payload: number, option = true, clientPort = 40_000): StatedPacket[] =>
  Array.from({ length: count }, (_, n) =>
    packetOf({ atMicros: BEGIN + n, flags: ACK, seq: n, payload, option, clientPort }),
  );

const reason = needs("Linux", "root", "network namespaces", "ethtool", "tcpdump", "python3", "koffi");

describe.skipIf(reason)(titled("an agent and its host", reason), { timeout: 60_000 }, () => {
  it("learns from a router on the way that copies are too long, and cuts them to the path from then on", async () => {
    network.ip("mid", "link", "set", "mid1", "mtu", "1300");
    const program = await agent({});
    const there = new PacketCount(network, "core", "core0", "udp port 4754", join(folder, "there.pcap"));
    await there.started();
    inject(segments(5, 1400));
    // 1,300 octets less IPv4, UDP and GRE with a sequence number.
    await until(({ collectors }) => collectors[0]?.room === 1300 - 28 - 8);
    inject(segments(20, 1400));
    await program.stop();
    await there.finish();
    const counters = copied(program);
    expect(counters).toMatchObject({ selected: 25, refused: 0, cut: 20 });
    expect(there.count("ip[2:2] == 1300 and ip[6:2] & 0x3fff == 0")).toBe(20);
    // Of the first five none came, in fragments or not.
    expect(there.count()).toBe(20 + Number(counters.reports));
  });

  it("copies whole packets when the path has become as wide as they are, though it started on a narrow one", async () => {
    network.ip("edge", "link", "set", "out0", "mtu", "700");
    const program = await agent({});
    inject(segments(5, 1200));
    await until(({ counters }) => counters.cut === 5);
    network.ip("edge", "link", "set", "out0", "mtu", "1500");
    await until(({ collectors }) => collectors[0]?.room === 1500 - 28 - 8);
    inject(segments(20, 1200));
    await program.stop();
    expect(copied(program)).toMatchObject({ selected: 25, sent: 25, cut: 5, failed: 0 });
  });

  it("copies what a flow sends without options, once the kernel's filter knows the flow", async () => {
    const program = await agent({});
    inject([packetOf({ atMicros: BEGIN, flags: SYN, option: true }), ...segments(30, 100, false, 50_000)]);
    await until(({ counters, filterRenewals }) => counters.selected === 1 && filterRenewals > 0);
    inject([...segments(40, 100, false), ...segments(40, 100, false, 50_000)]);
    await program.stop();
    expect(copied(program)).toMatchObject({ selected: 41, sent: 41, seen: 41 });
  });

  it("makes do with fewer buckets where the kernel has no room for more, and misses nothing", async ({ skip }) => {
    // Of each network namespace since Linux 6.8.
    const setting = "/proc/sys/net/core/optmem_max";
    skip(
      network.exec("edge", "sh", "-c", `echo 8192 >${setting} && cat ${setting} || true`).trim() !== "8192",
      "no optmem_max here",
    );
    const program = await agent({});
    const ports = Array.from({ length: 300 }, (_, n) => 20_000 + n);
    inject(ports.map((clientPort) => packetOf({ atMicros: BEGIN, flags: SYN, option: true, clientPort })));
    let renewals = -1;
    await until(({ counters, filterRenewals }) => {
      const isAtRest = filterRenewals === renewals;
      renewals = filterRenewals;
      return isAtRest && counters.selected === ports.length;
    });
    inject(ports.flatMap((clientPort) => segments(2, 50, false, clientPort)));
    await program.stop();
    expect(copied(program)).toMatchObject({ selected: 900, sent: 900 });
  });

  it("leaves out what is excluded, and by SIGHUP something else", async () => {
    const program = await agent({ exclude: { ports: [40_000] } });
    inject([...segments(10, 100), ...segments(7, 100, true, 41_000)]);
    await until(({ counters }) => counters.selected === 7);
    writeFileSync(
      configuration,
      JSON.stringify({
        collector: COLLECTOR,
        status: { socket },
        exclude: { addresses: ["192.0.2.0/24"], ports: ["41000-41001"] },
      }),
    );
    program.kill("SIGHUP");
    await program.says(/SIGHUP: taken over: .*exclude\.ports/);
    inject([...segments(5, 100), ...segments(7, 100, true, 41_000)]);
    await program.stop();
    expect(copied(program)).toMatchObject({ selected: 12, sent: 12 });
  });

  it("never copies what passes between itself and its collector, in either direction", async () => {
    const program = await agent({});
    const own = segments(10, 100).map(({ octets, ...rest }) => {
      const frame = Buffer.from(octets);
      frame.set([10, 9, 0, 1, 10, 8, 0, 2], 26);
      return { ...rest, octets: frame };
    });
    const back = own.map(({ octets, ...rest }) => {
      const frame = Buffer.from(octets);
      frame.set([10, 8, 0, 2, 10, 9, 0, 1], 26);
      return { ...rest, octets: frame };
    });
    inject([...own, ...back, ...segments(3, 100)]);
    await program.stop();
    expect(copied(program)).toMatchObject({ selected: 3, seen: 3 });
  });

  it("makes no copy beyond its bandwidth, and says how many", async () => {
    const program = await agent({ limits: { mbitPerSecond: 1, processorPercent: 50 } });
    inject(segments(200, 1400));
    await program.stop();
    const counters = copied(program);
    expect(counters.selected).toBe(200);
    expect(Number(counters.sent) + Number(counters.limited)).toBe(200);
    expect(counters.limited).toBeGreaterThan(100);
    expect(program.errors).toMatch(/copies not made: they would have taken more than limits\.mbitPerSecond/);
  });

  it("becomes another user with CAP_NET_RAW alone, and captures on an interface that comes back all the same", async () => {
    const program = await agent({ user: "nobody" });
    const { pid } = JSON.parse(network.exec("edge", process.execPath, ...status())) as { pid: number };
    const told = () => readFileSync(`/proc/${pid}/status`, "utf8");
    const nobody = readFileSync("/etc/passwd", "utf8").match(/^nobody:[^:]*:(\d+):/m)?.[1];
    await vi.waitFor(
      () => expect(told()).toMatch(new RegExp(`^Uid:\\s+${nobody}\\s+${nobody}\\s+${nobody}`, "m")),
      10_000,
    );
    expect(told()).toMatch(/^CapEff:\s+0000000000002000$/m);
    expect(told()).toMatch(/^CapPrm:\s+0000000000002000$/m);
    expect(told()).toMatch(/^NoNewPrivs:\s+1$/m);
    network.ip("edge", "link", "del", "in0");
    await program.says(/interface in0 is gone/);
    network.link({ node: "tap", name: "tap0", addresses: [] }, { node: "edge", name: "in0", addresses: [] });
    await program.says(/interface in0 is back/);
    inject(segments(9, 100));
    await program.stop();
    expect(copied(program)).toMatchObject({ selected: 9, sent: 9 });
  });

  it("answers at its socket what it has done so far, and takes a dead agent's socket over, not a living one's", async () => {
    const first = await agent({});
    inject(segments(6, 100));
    await until(({ counters }) => counters.sent === 6);
    const said = JSON.parse(network.exec("edge", process.execPath, ...status()));
    expect(said).toMatchObject({ input: "ring", sample: 1, counters: { selected: 6, sent: 6 } });
    expect(said.collectors).toEqual([
      expect.objectContaining({ address: COLLECTOR, reachable: true, room: 1500 - 28 - 8 }),
    ]);
    const rival = new Program(network, "edge", "agent", "--config", configuration, "--interface", "in0");
    expect(await rival.ended()).toBe(2);
    expect(rival.errors).toMatch(/^rejoin: status.socket: somebody listens at /m);
    first.kill("SIGKILL");
    await first.ended();
    expect(existsSync(socket)).toBe(true);
    const second = await agent({});
    await second.stop();
    expect(() => network.exec("edge", process.execPath, ...status())).toThrow(/no agent answers/);
  });
});

/** What asks an agent for its status. */
const status = (): string[] => [
  fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url)),
  "agent",
  "--status",
  socket,
];
