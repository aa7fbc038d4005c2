import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { Network, NodeProcess } from "../lab/network.ts";
import { stop } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { StalledTransfer, type TransferOptions, type TransferTruth, transfer } from "../lab/transfer.ts";
import { ADDRESSES, buildTwoPaths, joinFromSecondAddress, ROUTERS } from "../lab/two-paths.ts";
import { observe } from "../scenario/observed.ts";
import { needs, titled } from "../support/requirements.ts";
import { type LogLine, Program } from "./program.ts";

const reason = needs(
  ...(["root", "network namespaces", "kernel MPTCP", "ip", "ss", "nstat", "ethtool"] as const),
  ...(["python3", "tcpdump", "nft", "koffi"] as const),
);

/** A second collector in the same node. */
const SECOND = "172.31.1.101";
const NOISE_PORT = 7001;
/** Plain TCP: a server, and a client that sends it so many octets. */
const NOISE_SERVER = `
import socket
server = socket.create_server(("10.20.1.2", ${NOISE_PORT}))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    while connection.recv(1 << 20): pass
    connection.close()`;
const NOISE = `
import socket, sys
for _ in range(20):
    with socket.create_connection(("10.20.1.2", ${NOISE_PORT}), source_address=("10.10.1.2", 0)) as connection:
        connection.sendall(bytes(int(sys.argv[1]) // 20))`;
const PLAIN_PORT = 7002;
/** A server that does not speak MPTCP, and a client that asks for it and sends for two seconds. */
const PLAIN_SERVER = `
import socket
server = socket.create_server(("10.20.1.2", ${PLAIN_PORT}))
print("listening", flush=True)
connection, _ = server.accept()
while connection.recv(1 << 20): pass`;
const PLAIN_CLIENT = `
import socket, time
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
connection.connect(("10.20.1.2", ${PLAIN_PORT}))
for _ in range(200):
    connection.sendall(bytes(1000))
    time.sleep(0.01)
connection.close()`;
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
const [COLLECTOR] = ADDRESSES.collector.ipv4;

let network: Network;
let folder: string;
let files = 0;

beforeAll(async () => {
  if (reason !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "rejoin-edge-"));
  network = buildTwoPaths();
  joinFromSecondAddress(network);
  network.ip("collector", "address", "add", `${SECOND}/24`, "dev", "mgmt1");
  network.ip("router2", "route", "add", "172.31.1.0/24", "via", ADDRESSES.collector.ipv4[1]);
  network.ip("collector", "route", "add", "172.31.2.0/24", "dev", "mgmt2", "metric", "5");
  network.sysctl("collector", "net.ipv4.ip_forward=0");
  await started("server", NOISE_SERVER);
});
afterAll(async () => {
  await network?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

const running: Program[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.stop()));
});

async function started(node: string, script: string, ...args: readonly string[]): Promise<NodeProcess> {
  const child = network.spawn(node, "python3", ["-c", script, ...args]);
  await once(child.stdout, "data");
  return child;
}

/** An agent on a router that captures both ways on the interface to the server. */
async function agent(router: string, configuration: object, ...args: readonly string[]): Promise<Program> {
  const file = join(folder, `agent-${files++}.yaml`);
  writeFileSync(file, JSON.stringify(configuration));
  const program = new Program(network, router, "agent", "--config", file, "--interface", "core", ...args);
  running.push(program);
  await program.says(/agent .* started/);
  return program;
}

async function ended(program: Program): Promise<LogLine & { readonly flows: Record<string, number> }> {
  running.splice(running.indexOf(program), 1);
  expect(await program.stop()).toBe(0);
  return program.logged(/ended/) as LogLine & { readonly flows: Record<string, number> };
}

async function watch(node: string, device: string, filter: string): Promise<PacketCount> {
  const count = new PacketCount(network, node, device, filter, join(folder, `${node}-${device}-${files++}.pcap`));
  await count.started();
  return count;
}

/** A transfer, tried again where the kernel let it stall. */
async function carry(options: Partial<TransferOptions>): Promise<TransferTruth> {
  const all = { ...ENDS, connections: 1, fromClient: 200_000, fromServer: 150_000, ...options };
  for (let tries = 1; ; tries++) {
    try {
      return await transfer(network, all);
    } catch (error) {
      if (!(error instanceof StalledTransfer) || tries === 3) throw error;
    }
  }
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 400));

/** The packets of an Ethernet capture of this machine, from `skip` octets behind their IP header's beginning. */
function packetsOf(file: string, skip = 0): string[] {
  const octets = readFileSync(file);
  const packets: string[] = [];
  for (let at = 24; at < octets.length; ) {
    const captured = octets.readUInt32LE(at + 8);
    const ip = at + 16 + 14;
    packets.push(
      octets.subarray(ip + skip, Math.min(at + 16 + captured, ip + octets.readUInt16BE(ip + 2))).toString("hex"),
    );
    at += 16 + captured;
  }
  return packets;
}

/** IPv4, UDP and GRE with a sequence number. */
const DELIVERY = 20 + 8 + 8;

describe.skipIf(reason)(titled("an agent on a router", reason), { timeout: 120_000 }, () => {
  let listener: NodeProcess;
  beforeAll(async () => {
    listener = await started("collector", TAKE_DATAGRAMS, COLLECTOR, SECOND, ADDRESSES.collector.ipv6[0]);
  });

  test("copies MPTCP packet for packet, while the kernel keeps ten times as much plain traffic back", async () => {
    const beside = await watch("router1", "core", "tcp");
    const copies = await watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`);
    const program = await agent("router1", { collector: COLLECTOR, dscp: 46 });
    const noise = network.spawn("client", "python3", ["-c", NOISE, "4000000"]);
    const truth = await carry({});
    if (noise.exitCode === null) await once(noise, "exit");
    await settle();
    const counters = await ended(program);
    await Promise.all([beside.finish(), copies.finish()]);

    const port = truth.server[0]?.local[1] ?? 0;
    const passed = packetsOf(beside.file);
    const isMptcp = (packet: string) => [40, 44].some((at) => Number.parseInt(packet.slice(at, at + 4), 16) === port);
    const expected = passed.filter(isMptcp);
    expect(passed.length).toBeGreaterThan(expected.length * 5);
    const isReport = (packet: string) => packet.startsWith("726a6e01");
    expect(packetsOf(copies.file, DELIVERY).filter((packet) => !isReport(packet))).toEqual(expected);
    expect(counters).toMatchObject({
      selected: expected.length,
      sent: expected.length + 3,
      reports: 3,
      lost: 0,
      cut: 0,
      dropped: 0,
    });
    // Of plain traffic nothing but SYNs, FINs and RSTs came out of the kernel, and what shares a bucket with a flow.
    const control = beside.count(`tcp and port ${NOISE_PORT} and tcp[13] & 7 != 0`);
    expect(Number(counters.seen)).toBeLessThanOrEqual(expected.length + control + 20);
    expect(copies.count("ip[1] != 0xb8")).toBe(0);
  });

  test("over IPv6, headers only: all sessions are there, and no octet of a stream", async () => {
    const copies = await watch("collector", "mgmt1", `udp and dst host ${ADDRESSES.collector.ipv6[0]}`);
    const program = await agent("router1", { collector: ADDRESSES.collector.ipv6[0], headersOnly: true });
    const truth = await carry({});
    await settle();
    const counters = await ended(program);
    await copies.finish();
    expect(counters.cut).toBeGreaterThan(100);
    const { records } = await observe([copies.file]);
    expect(records.map(({ mptcp }) => mptcp.token.initiator)).toContain(truth.client[0]?.token);
    const sizes = readFileSync(copies.file).length / copies.count();
    expect(sizes).toBeLessThan(250);
  });

  test("killed in mid-flow and started again, it takes flows up from their options", async () => {
    const first = await agent("router1", { collector: COLLECTOR });
    const going = carry({ fromClient: 40_000_000, fromServer: 1000 });
    await new Promise((resolve) => setTimeout(resolve, 600));
    first.kill("SIGKILL");
    await first.ended();
    running.splice(running.indexOf(first), 1);
    const second = await agent("router1", { collector: COLLECTOR });
    const beside = await watch("router1", "core", "tcp");
    await going;
    await settle();
    const counters = await ended(second);
    await beside.finish();
    // tcpdump listened a moment later than the agent did.
    expect(beside.count()).toBeGreaterThan(500);
    expect(Number(counters.selected)).toBeGreaterThanOrEqual(beside.count());
    expect(counters.flows).toMatchObject({ opened: 1 });
  });

  test("sends super-packets as the segments that the wire carried", async () => {
    for (const [node, device] of [
      ["server", "core1"],
      ["router1", "core"],
      ["router1", "access"],
      ["client", "access1"],
    ] as const) {
      network.exec(node, "ethtool", "-K", device, "tx", "on", "sg", "on", "tso", "on", "gso", "on", "gro", "on");
    }
    network.exec("client", "ip", "mptcp", "endpoint", "flush");
    const copies = await watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`);
    const beside = await watch("router1", "core", "tcp");
    const program = await agent("router1", { collector: COLLECTOR });
    const truth = await carry({ fromClient: 1_500_000 });
    joinFromSecondAddress(network);
    await settle();
    const counters = await ended(program);
    await Promise.all([copies.finish(), beside.finish()]);
    for (const [node, device] of [
      ["server", "core1"],
      ["router1", "core"],
      ["router1", "access"],
      ["client", "access1"],
    ] as const) {
      network.exec(node, "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "sg", "off", "tx", "off");
    }
    expect(beside.count("greater 2000")).toBeGreaterThan(5);
    expect(counters.cut).toBe(0);
    expect(Number(counters.sent)).toBeGreaterThan(beside.count());
    expect(copies.count("greater 1600")).toBe(0);
    const { records } = await observe([copies.file], { digest: true });
    const [record] = records.filter(({ event }) => event.action === "session-ended");
    const {
      client: [client],
      server: [server],
    } = truth;
    expect(record?.mptcp.stream.initiator).toMatchObject({ complete: true, sha256: client?.sent.sha256 });
    expect(record?.mptcp.stream.responder).toMatchObject({ complete: true, sha256: server?.sent.sha256 });
  });

  test("behind a NAT sees both directions of its own interface alike", async () => {
    network.exec(
      "router2",
      "nft",
      "add table ip edge; add chain ip edge out { type nat hook postrouting priority 100 ; }; add rule ip edge out oif core masquerade",
    );
    const copies = await Promise.all([
      watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`),
      watch("collector", "mgmt2", "udp and dst port 4754"),
    ]);
    const programs = await Promise.all([
      agent("router1", { collector: COLLECTOR, key: 1 }),
      agent("router2", { collector: ADDRESSES.collector.ipv4[1], key: 2 }),
    ]);
    const truth = await carry({ fromClient: 1_000_000, fromServer: 1_000_000 });
    await settle();
    for (const program of programs) await ended(program);
    for (const copy of copies) await copy.finish();
    network.exec("router2", "nft", "delete table ip edge");
    const { records } = await observe(copies.map(({ file }) => file));
    const [record] = records.filter(({ event }) => event.action === "session-ended");
    expect(record?.mptcp.token.initiator).toBe(truth.client[0]?.token);
    expect(record?.mptcp.subflows.map(({ kind }) => kind)).toEqual(["initial", "joined"]);
    expect(record?.mptcp.subflows[1]?.source.ip).toBe("10.20.2.1");
    expect(record?.mptcp.subflows[1]?.join?.hmac).toMatchObject({ initiator: "verified", responder: "verified" });
    expect(record?.mptcp.stream.initiator).toMatchObject({ complete: true, missing_octets: 0 });
  });

  test("shares sessions out among collectors, both agents alike; while one is not there, the other has all", async () => {
    const to = [COLLECTOR, SECOND];
    const two = { collectors: to };
    const copies = await Promise.all(to.map((address) => watch("collector", "any", `udp and dst host ${address}`)));
    const programs = await Promise.all(ROUTERS.map((router, n) => agent(router, { ...two, key: n + 1 })));
    const truth = await carry({ connections: 8, fromClient: 60_000, fromServer: 60_000 });
    await settle();
    for (const copy of copies) await copy.finish();
    const whole = await Promise.all(
      copies.map(async ({ file }) =>
        (await observe([file])).records.filter(
          ({ event, mptcp }) => event.action === "session-ended" && mptcp.stream.responder.octets > 0,
        ),
      ),
    );
    for (const record of whole.flat()) {
      expect(record.mptcp.stream.initiator).toMatchObject({ missing_octets: 0 });
      expect(record.mptcp.subflows.map(({ kind }) => kind)).toEqual(["initial", "joined"]);
    }
    expect(
      whole
        .flat()
        .map(({ mptcp }) => mptcp.token.initiator)
        .sort(),
    ).toEqual(truth.client.map(({ token }) => token).sort());
    for (const records of whole) expect(records.length).toBeGreaterThan(0);

    // Nobody listens at the second any more: after a second everybody knows.
    await stop(listener);
    listener = await started("collector", TAKE_DATAGRAMS, COLLECTOR, ADDRESSES.collector.ipv6[0]);
    await carry({ connections: 8, fromClient: 60_000, fromServer: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const late = await watch("collector", "any", `udp and dst host ${COLLECTOR}`);
    const alone = await carry({ connections: 8, fromClient: 60_000, fromServer: 60_000 });
    await settle();
    await late.finish();
    for (const program of programs) await ended(program);
    const { records } = await observe([late.file]);
    const tokens = records
      .filter(({ event }) => event.action === "session-ended")
      .map(({ mptcp }) => mptcp.token.initiator);
    expect(tokens.sort()).toEqual(alone.client.map(({ token }) => token).sort());
  });

  test("samples whole sessions, the same on both routers", async () => {
    const copies = await watch("collector", "any", `udp and dst port 4754`);
    const programs = await Promise.all(
      ROUTERS.map((router, n) => agent(router, { collector: ADDRESSES.collector.ipv4[n], key: n + 1, sample: 0.5 })),
    );
    const truth = await carry({ connections: 12, fromClient: 40_000, fromServer: 40_000 });
    await settle();
    const counters = [];
    for (const program of programs) counters.push(await ended(program));
    await copies.finish();
    const { records } = await observe([copies.file]);
    const ends = records.filter(
      ({ event, mptcp }) => event.action === "session-ended" && mptcp.stream.responder.octets > 0,
    );
    for (const { mptcp } of ends) {
      expect(mptcp.stream.responder).toMatchObject({ complete: true, missing_octets: 0 });
      expect(mptcp.subflows.map(({ kind }) => kind)).toEqual(["initial", "joined"]);
    }
    const [one, two] = counters.map(({ flows }) => flows.leftOut);
    expect(one).toBeGreaterThan(0);
    expect(one).toBe(two);
    expect(ends).toHaveLength(truth.client.length - (one ?? 0));
  });

  test("goes on while its collector is started anew: sessions behind that are whole", async () => {
    const records = join(folder, "records");
    const collector = async () => {
      const from = ADDRESSES.router.ipv4[0];
      const to = ["--listen-udp", `${COLLECTOR}:4755`, "--dir", records, "--agent", `name=router1,address=${from}`];
      const program = new Program(network, "collector", "collect", ...to);
      running.push(program);
      await program.says(/listening on udp/);
      return program;
    };
    network.exec("client", "ip", "mptcp", "endpoint", "flush");
    const first = await collector();
    const program = await agent("router1", { collector: `${COLLECTOR}:4755` });
    await carry({});
    expect(await first.stop()).toBe(0);
    const missed = await carry({});
    const second = await collector();
    const truth = await carry({});
    joinFromSecondAddress(network);
    await settle();
    await ended(program);
    expect(await second.stop()).toBe(0);
    const lines = readFileSync(join(records, "rejoin.sessions.v1.jsonl"), "utf8").trimEnd().split("\n");
    const told = lines.map((line) => JSON.parse(line) as SessionRecord);
    const recordsOf = (token: string | undefined) =>
      told.filter(({ event, mptcp }) => event.action === "session-ended" && mptcp.token.initiator === token);
    expect(recordsOf(missed.client[0]?.token)).toEqual([]);
    const [record] = recordsOf(truth.client[0]?.token);
    expect(record?.mptcp.stream.initiator).toMatchObject({ complete: true, missing_octets: 0, octets: 200_000 });
  });

  test("of connections that become plain TCP at once misses no more than their first moments", async () => {
    network.sysctl("server", "net.mptcp.enabled=0");
    const beside = await watch("router1", "core", "tcp");
    const program = await agent("router1", { collector: COLLECTOR });
    const plain = await started("server", PLAIN_SERVER);
    const client = network.spawn("client", "python3", ["-c", PLAIN_CLIENT]);
    await once(client, "exit");
    await settle();
    const counters = await ended(program);
    await beside.finish();
    await stop(plain);
    network.sysctl("server", "net.mptcp.enabled=1");
    const passed = beside.count(`port ${PLAIN_PORT}`);
    expect(passed).toBeGreaterThan(300);
    const missed = passed - Number(counters.selected);
    expect(missed).toBeLessThan(passed / 4);
  });
});
