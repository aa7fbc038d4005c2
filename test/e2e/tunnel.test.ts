import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AgentRecord } from "../../schema/agent-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { TOPICS } from "../../schema/topics.ts";
import { Network } from "../lab/network.ts";
import { capturePath } from "../support/copies.ts";
import { needs, titled } from "../support/requirements.ts";
import { Program } from "./program.ts";

const page = readFileSync(new URL("../../docs/tunnels.md", import.meta.url), "utf8");
const CAPTURE = capturePath("join-client/router1.pcap.gz");
/** Below the tunnel. */
const UNDERLAY = { router: "172.31.8.1", collector: "172.31.8.2" };
const INSIDE = { router: "10.77.0.1", collector: "10.77.0.9" };
/** Of wireguard-go, one name on the whole machine. */
const DEVICE = { router: `wgr${process.pid}`, collector: `wgc${process.pid}` };

/** The rules of a section of the page, without `nft` in front. */
const rulesOf = (section: string): string[] => {
  const [, text = ""] = page.split(`## ${section}\n`);
  const [own = ""] = text.split("\n## ");
  return [...own.matchAll(/^ {4}nft (.*)$/gm)].map(([, rule = ""]) => rule.replaceAll("'", ""));
};

const reason = needs("root", "network namespaces", "ip", "ethtool", "nft");
describe.skipIf(reason)(titled("the way of copies", reason), () => {
  let network: Network;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-tunnel-"));
    network = new Network("router", "collector");
    network.link(
      { node: "router", name: "out", addresses: [`${UNDERLAY.router}/24`, "172.31.8.66/24"] },
      { node: "collector", name: "in", addresses: [`${UNDERLAY.collector}/24`] },
    );
  });
  afterEach(async () => {
    await network.close();
    rmSync(folder, { recursive: true });
  });

  const collect = async (listen: string, rule: string): Promise<Program> => {
    const where = ["--listen-udp", `${listen}:4754`, "--dir", folder];
    const collector = new Program(network, "collector", "collect", ...where, "--agent", rule);
    await collector.says(/listening on/);
    return collector;
  };
  const send = async (collector: string, ...more: readonly string[]): Promise<Program> => {
    const replay = ["--replay", CAPTURE, "--speed", "2", "--collector", collector, ...more];
    const agent = new Program(network, "router", "agent", ...replay);
    await agent.ended();
    return agent;
  };
  const read = <T>(topic: string): T[] =>
    readFileSync(join(folder, `${topic}.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  /** A count of the agents' ledgers, all of them together. */
  const ledger = (count: "packets" | "duplicate" | "restarted") =>
    read<AgentRecord>(TOPICS.agents).reduce((sum, { rejoin }) => sum + rejoin.agent[count], 0);

  test("an allow-list in the kernel keeps others off the socket", async () => {
    for (const rule of rulesOf("An allow-list")) {
      network.exec("collector", "nft", rule.replace("192.0.2.1", UNDERLAY.router));
    }
    const collector = await collect(UNDERLAY.collector, `name=router1,address=172.31.8.0/24`);
    // Another address of the same network, which the collector itself would take.
    network.ip("router", "route", "add", `${UNDERLAY.collector}/32`, "dev", "out", "src", "172.31.8.66");
    await send(UNDERLAY.collector);
    network.ip("router", "route", "del", `${UNDERLAY.collector}/32`);
    await send(UNDERLAY.collector);
    expect(await collector.stop()).toBe(0);
    expect(new Set(read<AgentRecord>(TOPICS.agents).map(({ source }) => source?.ip))).toEqual(
      new Set([UNDERLAY.router]),
    );
  });

  /** Adds a device of the kernel's, or of wireguard-go where the kernel has none. */
  const addWireguard = async (node: string, device: string): Promise<void> => {
    try {
      network.ip(node, "link", "add", device, "type", "wireguard");
    } catch {
      network.spawn(node, "wireguard", ["-f", device]);
      for (let waits = 0; waits < 200; waits++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        if (network.ip(node, "-br", "link").includes(`${device} `)) return;
      }
      throw new Error("wireguard makes no device");
    }
  };

  /** Makes both ends as the page says, with new keys. */
  const dig = async (): Promise<void> => {
    const keyOf = (node: string) => {
      const own = network.exec(node, "wg", "genkey").trim();
      return { own, shown: network.exec(node, "sh", "-c", `echo ${own} | wg pubkey`).trim() };
    };
    const [router, collector] = [keyOf("router"), keyOf("collector")];
    const texts = [...page.matchAll(/^```ini\n([\s\S]*?)^```$/gm)].map(([, text = ""]) =>
      text
        .replace("ROUTER1_PRIVATE", router.own)
        .replace("ROUTER1_PUBLIC", router.shown)
        .replace("COLLECTOR_PRIVATE", collector.own)
        .replace("COLLECTOR_PUBLIC", collector.shown)
        .replace("COLLECTOR_ADDRESS", UNDERLAY.collector),
    );
    for (const [i, node] of (["router", "collector"] as const).entries()) {
      const device = DEVICE[node];
      const file = join(folder, `${node}.conf`);
      await addWireguard(node, device);
      writeFileSync(file, texts[i] ?? "");
      network.exec(node, "wg", "setconf", device, file);
      network.ip(node, "address", "add", `${INSIDE[node]}/24`, "dev", device);
      network.ip(node, "link", "set", device, "mtu", "1420", "up");
    }
    for (const rule of rulesOf("WireGuard")) {
      network.exec("collector", "nft", rule.replace("!= rejoin-wg", `!= ${DEVICE.collector}`));
    }
  };

  const noTunnel = needs("wg", "WireGuard", "tcpdump");
  test.skipIf(noTunnel)(
    titled("WireGuard: nobody on the way reads copies, and none comes past it", noTunnel),
    async () => {
      await dig();
      const wire = join(folder, "wire.pcap");
      const dump = network.spawn("collector", "tcpdump", ["-i", "in", "-U", "-w", wire]);
      await new Promise<void>((resolve) => dump.stderr.once("data", () => resolve()));
      const inClear = () => network.exec("collector", "tcpdump", "-nr", wire, "udp port 4754").split("\n").length - 1;

      const collector = await collect(INSIDE.collector, `name=router1,address=${INSIDE.router}`);
      const agent = await send(INSIDE.collector, "--fragment");
      expect(inClear()).toBe(0);
      expect(network.exec("collector", "tcpdump", "-nr", wire, "udp port 51820").split("\n").length).toBeGreaterThan(
        1000,
      );

      // Past the tunnel, from the address of one inside.
      network.ip("router", "address", "del", `${INSIDE.router}/24`, "dev", DEVICE.router);
      network.ip("router", "address", "add", `${INSIDE.router}/32`, "dev", "out");
      network.ip("router", "route", "add", INSIDE.collector, "via", UNDERLAY.collector, "src", INSIDE.router);
      await send(INSIDE.collector, "--fragment");
      expect(inClear()).toBeGreaterThan(1000);

      expect(await collector.stop()).toBe(0);
      // A second time the same numbers would be duplicates, or a restart.
      expect([ledger("duplicate"), ledger("restarted")]).toEqual([0, 0]);
      expect(ledger("packets")).toBeGreaterThan(1000);
      expect(ledger("packets")).toBeLessThanOrEqual(Number(agent.logged(/ended; /).sent));
      const [session] = read<SessionRecord>(TOPICS.sessions).slice(-1);
      expect(session?.mptcp.stream.initiator.octets).toBeGreaterThan(500_000);
    },
  );
});
