import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { stop } from "../../lab/network.ts";
import { connectionsClosed, packetsReceived } from "../../lab/quiet.ts";
import { ADDRESSES, joinFromSecondAddress } from "../../lab/two-paths.ts";
import { observe } from "../../scenario/observed.ts";
import { titled } from "../../support/requirements.ts";
import { COLLECTOR, Edge, missing } from "./edge.ts";

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
let edge: Edge;
beforeAll(() => {
  if (missing === undefined) edge = new Edge();
});
afterAll(() => edge?.close());
afterEach(() => edge?.endAll());

/** For one test, the client joins no session by its second address. */
function onlyFirstPath(): void {
  onTestFinished(() => joinFromSecondAddress(edge.network));
  edge.network.exec("client", "ip", "mptcp", "endpoint", "flush");
}

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

describe.skipIf(missing)(titled("what an agent on a router copies", missing), { timeout: 120_000 }, () => {
  beforeAll(async () => {
    await edge.started("server", NOISE_SERVER);
    await edge.listener(COLLECTOR, ADDRESSES.collector.ipv6[0]);
  });

  test("copies MPTCP packet for packet, while the kernel keeps ten times as much plain traffic back", async () => {
    const beside = await edge.watch("router1", "core", "tcp");
    const copies = await edge.watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`);
    const program = await edge.agent("router1", { collector: COLLECTOR, dscp: 46 });
    const noise = edge.network.spawn("client", "python3", ["-c", NOISE, "4000000"]);
    const truth = await edge.carry({});
    if (noise.exitCode === null) await once(noise, "exit");
    await connectionsClosed(edge.network);
    const counters = await edge.ended(program);
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
    const copies = await edge.watch("collector", "mgmt1", `udp and dst host ${ADDRESSES.collector.ipv6[0]}`);
    const program = await edge.agent("router1", { collector: ADDRESSES.collector.ipv6[0], headersOnly: true });
    const truth = await edge.carry({});
    await connectionsClosed(edge.network);
    const counters = await edge.ended(program);
    await copies.finish();
    expect(counters.cut).toBeGreaterThan(100);
    const { records } = await observe([copies.file]);
    expect(records.map(({ mptcp }) => mptcp.token.initiator)).toContain(truth.client[0]?.token);
    const sizes = readFileSync(copies.file).length / copies.count();
    expect(sizes).toBeLessThan(250);
  });

  test("killed in mid-flow and started again, it takes flows up from their options", async () => {
    const first = await edge.agent("router1", { collector: COLLECTOR });
    const before = packetsReceived(edge.network, "collector", "mgmt1");
    const going = edge.carry({ fromClient: 40_000_000, fromServer: 1000 });
    await vi.waitUntil(() => packetsReceived(edge.network, "collector", "mgmt1") > before + 200, { timeout: 20_000 });
    await edge.kill(first);
    const second = await edge.agent("router1", { collector: COLLECTOR });
    const beside = await edge.watch("router1", "core", "tcp");
    await going;
    await connectionsClosed(edge.network);
    const counters = await edge.ended(second);
    await beside.finish();
    // tcpdump listened a moment later than the agent did.
    expect(beside.count()).toBeGreaterThan(500);
    expect(Number(counters.selected)).toBeGreaterThanOrEqual(beside.count());
    expect(counters.flows).toMatchObject({ opened: 1 });
  });

  test("sends super-packets as the segments that the wire carried", async () => {
    const offload = (state: "on" | "off"): void => {
      for (const [node, device] of [
        ["server", "core1"],
        ["router1", "core"],
        ["router1", "access"],
        ["client", "access1"],
      ] as const) {
        const features = ["tx", "sg", "tso", "gso", "gro"].flatMap((feature) => [feature, state]);
        edge.network.exec(node, "ethtool", "-K", device, ...features);
      }
    };
    onTestFinished(() => offload("off"));
    offload("on");
    onlyFirstPath();
    const copies = await edge.watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`);
    const beside = await edge.watch("router1", "core", "tcp");
    const program = await edge.agent("router1", { collector: COLLECTOR });
    const truth = await edge.carry({ fromClient: 1_500_000 });
    await connectionsClosed(edge.network);
    const counters = await edge.ended(program);
    await Promise.all([copies.finish(), beside.finish()]);
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
    onTestFinished(() => void edge.network.exec("router2", "nft", "delete table ip edge"));
    edge.network.exec(
      "router2",
      "nft",
      "add table ip edge; add chain ip edge out { type nat hook postrouting priority 100 ; }; add rule ip edge out oif core masquerade",
    );
    const copies = await Promise.all([
      edge.watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`),
      edge.watch("collector", "mgmt2", "udp and dst port 4754"),
    ]);
    const programs = await Promise.all([
      edge.agent("router1", { collector: COLLECTOR, key: 1 }),
      edge.agent("router2", { collector: ADDRESSES.collector.ipv4[1], key: 2 }),
    ]);
    const truth = await edge.carry({ fromClient: 1_000_000, fromServer: 1_000_000 });
    await connectionsClosed(edge.network);
    for (const program of programs) await edge.ended(program);
    for (const copy of copies) await copy.finish();
    const { records } = await observe(copies.map(({ file }) => file));
    const [record] = records.filter(({ event }) => event.action === "session-ended");
    expect(record?.mptcp.token.initiator).toBe(truth.client[0]?.token);
    expect(record?.mptcp.subflows.map(({ kind }) => kind)).toEqual(["initial", "joined"]);
    expect(record?.mptcp.subflows[1]?.source.ip).toBe("10.20.2.1");
    expect(record?.mptcp.subflows[1]?.join?.hmac).toMatchObject({ initiator: "verified", responder: "verified" });
    expect(record?.mptcp.stream.initiator).toMatchObject({ complete: true, missing_octets: 0 });
  });

  test("where two agents see the same subflow, each packet counts once", async () => {
    onlyFirstPath();
    const beside = await edge.watch("router1", "core", "tcp");
    const copies = await edge.watch("collector", "mgmt1", `udp and dst host ${COLLECTOR}`);
    const programs = await Promise.all([
      edge.agent("router1", { collector: COLLECTOR, key: 1 }),
      edge.agent("router1", { collector: COLLECTOR, key: 2 }, "access"),
    ]);
    const truth = await edge.carry({});
    await connectionsClosed(edge.network);
    for (const program of programs) await edge.ended(program);
    await Promise.all([beside.finish(), copies.finish()]);
    const { records, totals } = await observe([copies.file], { digest: true });
    const [record] = records.filter(({ event }) => event.action === "session-ended");
    expect(record?.mptcp.token.initiator).toBe(truth.client[0]?.token);
    expect(record?.mptcp.stream.initiator.sha256).toBe(truth.client[0]?.sent.sha256);
    expect(record?.mptcp.stream.responder.sha256).toBe(truth.server[0]?.sent.sha256);
    const [subflow, ...others] = record?.mptcp.subflows ?? [];
    expect([subflow?.agents.map((name) => name.split("#")[1]).sort(), others]).toEqual([["1", "2"], []]);
    expect(totals.packets["session/counted"]).toBe(beside.count());
    expect(totals.packets["subflow/mirror-duplicate"]).toBe(beside.count());
  });

  test("of connections that become plain TCP at once misses no more than their first moments", async () => {
    onTestFinished(() => edge.network.sysctl("server", "net.mptcp.enabled=1"));
    edge.network.sysctl("server", "net.mptcp.enabled=0");
    const beside = await edge.watch("router1", "core", "tcp");
    const program = await edge.agent("router1", { collector: COLLECTOR });
    const plain = await edge.started("server", PLAIN_SERVER);
    const client = edge.network.spawn("client", "python3", ["-c", PLAIN_CLIENT]);
    await once(client, "exit");
    await connectionsClosed(edge.network);
    const counters = await edge.ended(program);
    await beside.finish();
    await stop(plain);
    const passed = beside.count(`port ${PLAIN_PORT}`);
    expect(passed).toBeGreaterThan(300);
    const missed = passed - Number(counters.selected);
    expect(missed).toBeLessThan(passed / 4);
  });
});
