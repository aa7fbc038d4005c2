import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { TOPICS } from "../../schema/topics.ts";
import { copiesIn, type Delivered, packetsIn } from "../agent/mirror/copies.ts";
import type { Network } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { abortConnections, connectionsClosed, wiresQuiet } from "../lab/quiet.ts";
import { StalledTransfer, type TransferTruth, transfer } from "../lab/transfer.ts";
import { ADDRESSES, buildTwoPaths, joinFromSecondAddress, LAB, ROUTERS, setMtu } from "../lab/two-paths.ts";
import { needs, titled } from "../support/requirements.ts";
import { type LogLine, Program } from "./program.ts";

const reason = needs(...LAB, "koffi", "nft", "nft on what leaves", "tc", "tc with BPF", "TAP devices", "VXLAN devices");

type Family = "ipv4" | "ipv6";

/** One of the ways to copy, on both routers. */
interface Way {
  readonly name: string;
  /** IP version of the sessions, and of what carries the copies. */
  readonly family: Family;
  readonly delivery: Family;
  readonly method: "nft" | "tc";
  readonly device: "tap" | "vxlan";
  /** The rules are those of a shell script; there is no agent. */
  readonly isAlone: boolean;
  /** MTU of the way to the collector. */
  readonly mtu: number;
}

const WAYS: readonly Way[] = [
  { name: "nft-tap", family: "ipv4", delivery: "ipv4", method: "nft", device: "tap", isAlone: false, mtu: 1700 },
  { name: "nft-vxlan", family: "ipv4", delivery: "ipv6", method: "nft", device: "vxlan", isAlone: false, mtu: 1700 },
  { name: "tc-vxlan", family: "ipv6", delivery: "ipv4", method: "tc", device: "vxlan", isAlone: false, mtu: 1700 },
  // The way to the collector is too narrow for copies of whole packets: no host may hear of that.
  { name: "script", family: "ipv6", delivery: "ipv4", method: "nft", device: "vxlan", isAlone: true, mtu: 1500 },
];

/**
 * Whether tc copies an IPv6 packet, which has no memory of flows: SYNs, FINs and RSTs, and what has an MPTCP option. A host
 * that is in TIME-WAIT, or has but a FIN to wait for, acknowledges that without one.
 */
function isCopiedByTc(packet: string): boolean {
  const tcp = Buffer.from(packet, "hex").subarray(40);
  if ((tcp.readUInt8(13) & 0b111) !== 0) return true;
  const options = tcp.subarray(20, (tcp.readUInt8(12) >> 4) * 4);
  let at = 0;
  while (at < options.length && options[at] !== 30) at += options[at] === 1 ? 1 : options.readUInt8(at + 1);
  return at < options.length;
}

/** Times a transfer that stands still is tried. */
const TRIES = 4;

describe.skipIf(reason !== undefined)(titled("mirrored by kernels, sessions of kernels", reason), () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-e2e-mirror-"));
  let network: Network;

  beforeAll(() => {
    network = buildTwoPaths();
    joinFromSecondAddress(network);
  });
  // Of a way that failed, the next one would be told.
  afterEach(async () => {
    await network?.endProcesses();
    abortConnections(network);
  });
  afterAll(async () => {
    await network?.close();
    rmSync(folder, { recursive: true });
  });

  /** What a router is told: its own number as key, and where to copy. */
  function configuration({ name, delivery, method, device }: Way, router: number): string {
    const file = join(folder, `${name}-${router}.yaml`);
    const collector = ADDRESSES.collector[delivery][router];
    const lines = [`collector: "${collector}"`, `key: ${router + 1}`, `mirror: { device: ${device} }`];
    writeFileSync(file, [`capture: { interfaces: [core], method: ${method} }`, ...lines].join("\n"));
    return file;
  }

  /** Begins to mirror on a router; resolves with what ends it. */
  async function mirror(way: Way, router: number): Promise<() => Promise<void>> {
    const node = ROUTERS[router] ?? "";
    const words = ["--config", configuration(way, router)];
    if (!way.isAlone) {
      const agent = new Program(network, node, "agent", ...words);
      await agent.says(/started/);
      return async () => expect(await agent.stop(), agent.errors).toBe(0);
    }
    const printing = new Program(network, node, "agent", ...words, "--print-rules", "--standalone");
    expect(await printing.ended(), printing.errors).toBe(0);
    const script = join(folder, `${way.name}-${router}.sh`);
    writeFileSync(script, printing.output);
    network.exec(node, "sh", script, "start");
    return async () => void network.exec(node, "sh", script, "stop");
  }

  /** One try of a transfer, mirrored; null where it stood still. */
  async function observe(way: Way) {
    const directory = mkdtempSync(join(folder, "records-"));
    const rules = ROUTERS.flatMap((router, i) => ["--agent", `name=${router},key=${i + 1}`]);
    const listen = ["--listen-udp", "4754", "--listen-udp", "4789"];
    const collector = new Program(network, "collector", "collect", ...listen, ...rules, "--digest", "--dir", directory);
    await collector.says(/listening on/);
    // What is left of the way before would be copied, and not be recorded.
    await wiresQuiet(network, ROUTERS, "core");
    const ends = await Promise.all(ROUTERS.map((_, router) => mirror(way, router)));
    const filter = way.device === "tap" ? "udp port 4754" : "udp port 4789 or ip[6:2] & 0x3fff != 0";
    const recording = (router: string, device: string, what: string) =>
      new PacketCount(network, router, device, what, join(directory, `${router}-${device}.pcap`));
    const cores = ROUTERS.map((router) => recording(router, "core", "tcp"));
    const copies = ROUTERS.map((router) => recording(router, "mgmt", `(${filter}) and not icmp and not icmp6`));
    const errors = ROUTERS.map((_, i) =>
      recording("client", `access${i + 1}`, "icmp[0] == 3 or icmp6 and ip6[40] == 2"),
    );
    const all = [...cores, ...copies, ...errors];
    await Promise.all(all.map((count) => count.started()));
    let truth: TransferTruth | null = null;
    try {
      truth = await transfer(network, {
        clientAddress: ADDRESSES.client[way.family][0],
        serverAddress: ADDRESSES.server[way.family][0],
        connections: 2,
        fromClient: 400_000,
        fromServer: 200_001,
      });
    } catch (error) {
      if (!(error instanceof StalledTransfer)) throw error;
    }
    if (truth !== null) await connectionsClosed(network);
    for (const end of ends) await end();
    await Promise.all(all.map((count) => count.finish()));
    expect(await collector.stop(), collector.errors).toBe(0);
    const totals: LogLine = collector.logged(/totals at the end/);
    return truth === null ? null : { truth, directory, cores, copies, errors, totals };
  }

  function endedSessions(directory: string): SessionRecord[] {
    const lines = readFileSync(join(directory, `${TOPICS.sessions}.jsonl`), "utf8").split("\n");
    return lines
      .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as SessionRecord]))
      .filter(({ event }) => event.action === "session-ended");
  }

  test.each(WAYS)("$name: $family over $delivery, packet for packet", async (way) => {
    for (const router of ROUTERS.keys()) setMtu(network, router, way.mtu);
    let seen: Awaited<ReturnType<typeof observe>> = null;
    for (let nth = 0; nth < TRIES && seen === null; nth++) seen = await observe(way);
    if (seen === null) throw new Error(`${TRIES} transfers stood still`);
    const { truth, directory, cores, copies, errors, totals } = seen;

    // What tcpdump saw on each router is what the collector was sent.
    const delivered: Delivered = way.device === "tap" ? "gre-in-udp" : "vxlan";
    const passed = cores.map((core) =>
      packetsIn(core)
        .filter((packet) => way.method !== "tc" || isCopiedByTc(packet))
        .sort(),
    );
    for (const [i, copied] of copies.entries()) {
      expect(passed[i]?.length).toBeGreaterThan(100);
      if (way.mtu > 1500)
        expect(
          copiesIn(copied, delivered)
            .filter((packet) => !packet.startsWith("726a6e01"))
            .sort(),
        ).toEqual(passed[i]);
    }
    const { "decapsulate/agent-report": reports = 0 } = totals.packets as Record<string, number>;
    expect(Number(totals.packetsIn) - reports).toBe(passed.flat().length);

    // The sessions are those of the hosts' kernels.
    const told = endedSessions(directory).map(({ mptcp }) => {
      const { initiator, responder } = mptcp.stream;
      return {
        token: mptcp.token.initiator,
        subflows: mptcp.subflows.length,
        sha256: [initiator.sha256, responder.sha256],
      };
    });
    const meant = truth.client.map(({ token, sent, received }) => {
      const { length } = truth.kernel.client.subflows.filter((subflow) => subflow.token === token);
      return { token, subflows: length, sha256: [sent.sha256, received.sha256] };
    });
    const byToken = (a: { token: string | null }, b: { token: string | null }) =>
      `${a.token}`.localeCompare(`${b.token}`);
    expect(told.sort(byToken)).toEqual(meant.sort(byToken));

    // No router told a host, or noted for itself, that the way to one is narrower than it is.
    expect(errors.map((count) => count.count())).toEqual([0, 0]);
    for (const router of ROUTERS) expect(network.ip(router, "-6", "route", "show", "cache")).not.toContain("mtu");
    for (const router of ROUTERS) expect(network.exec(router, "nft", "list", "tables")).toBe("");
  });
});
