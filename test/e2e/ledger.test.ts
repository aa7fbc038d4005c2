import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AgentRecord } from "../../schema/agent-record.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { TOPICS } from "../../schema/topics.ts";
import { Network } from "../lab/network.ts";
import { packetsReceived } from "../lab/quiet.ts";
import { capturePath } from "../support/copies.ts";
import { needs, titled } from "../support/requirements.ts";
import { Program } from "./program.ts";

const reason = needs("root", "network namespaces", "ip", "ethtool", "nft");
const ROUTERS = ["router1", "router2"] as const;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe.skipIf(reason !== undefined)(titled("the ledger of what agents lost", reason), () => {
  let network: Network;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-ledger-"));
    network = new Network("agents", "collector");
    network.link(
      { node: "agents", name: "out", addresses: ["172.31.9.1/24"] },
      { node: "collector", name: "in", addresses: ["172.31.9.2/24"] },
    );
  });
  afterEach(async () => {
    await network.close();
    rmSync(folder, { recursive: true });
  });

  const collect = async (directory: string): Promise<Program> => {
    const rules = ROUTERS.flatMap((name, i) => ["--agent", `name=${name},address=172.31.9.0/24,key=${i + 1}`]);
    const collector = new Program(network, "collector", "collect", ...rules, "--dir", join(folder, directory));
    await collector.says(/listening on/);
    return collector;
  };
  const replay = (i: number, speed: string): Program => {
    const file = capturePath(`delay-loss/${ROUTERS[i]}.pcap.gz`);
    const options = ["--replay", file, "--speed", speed, "--collector", "172.31.9.2", "--key", String(i + 1)];
    return new Program(network, "agents", "agent", ...options);
  };
  const read = <T>(directory: string, topic: string): T[] =>
    readFileSync(join(folder, directory, `${topic}.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  test("equals what was dropped on purpose: 1 % of the copies", async () => {
    network.exec("collector", "nft", "add table inet lossy");
    network.exec("collector", "nft", "add chain inet lossy in { type filter hook input priority 0; }");
    const rule = (key: number, what: string) =>
      // The key stands behind the UDP header and four octets of GRE.
      `add rule inet lossy in udp dport 4754 @th,96,32 ${key} ${what}`;
    for (const key of [1, 2]) {
      network.exec("collector", "nft", `add counter inet lossy lost${key}`);
      network.exec("collector", "nft", rule(key, `numgen random mod 100 < 1 counter name lost${key} drop`));
    }
    const collector = await collect("records");
    const agents = ROUTERS.map((_, i) => replay(i, "4"));
    expect(await Promise.all(agents.map((agent) => agent.ended()))).toEqual([0, 0]);
    expect(await collector.stop()).toBe(0);

    const counters = JSON.parse(network.exec("collector", "nft", "-j", "list counters"));
    const dropped = ROUTERS.map((_, i) => {
      const found = counters.nftables.find(
        (one: { counter?: { name: string } }) => one.counter?.name === `lost${i + 1}`,
      );
      return found.counter.packets as number;
    });
    expect(sum(dropped)).toBeGreaterThan(10);
    const records = read<AgentRecord>("records", TOPICS.agents);
    for (const [i, name] of ROUTERS.entries()) {
      const own = records.filter(({ agent }) => agent.name === name).map(({ rejoin }) => rejoin.agent);
      const sent = agents[i]?.logged(/ended; /) as unknown as { sent: number; selected: number };
      const last = own.at(-1);
      expect(sum(own.map(({ lost }) => lost))).toBe(dropped[i]);
      expect(sum(own.map(({ packets }) => packets))).toBe(sent.sent - (dropped[i] ?? 0));
      expect(last?.reported).toMatchObject({ ended: true, numbered: sent.sent, selected: sent.selected, failed: 0 });
      expect(sum(own.map(({ unheard = 0, duplicate, late }) => unheard + duplicate + late))).toBe(0);
    }
    const [session] = read<SessionRecord>("records", TOPICS.sessions).slice(-1);
    expect(sum(session?.mptcp.copies_lost?.map(({ copies }) => copies) ?? [])).toBeGreaterThan(0);
  });

  test("tells what was lost while no collector ran, over all records of the agent's run", async () => {
    const first = await collect("first");
    // Slow enough that the recording goes on through all of this.
    const agent = replay(0, "0.15");
    await agent.says(/started/);
    const more = async (packets: number) => {
      const before = packetsReceived(network, "collector", "in");
      const came = () => packetsReceived(network, "collector", "in") - before;
      await vi.waitUntil(() => came() >= packets, { timeout: 20_000, interval: 20 });
    };
    await more(100);
    expect(await first.stop()).toBe(0);
    await more(20);
    const second = await collect("second");
    await agent.ended();
    expect(await second.stop()).toBe(0);

    const own = ["first", "second"].map((name) =>
      read<AgentRecord>(name, TOPICS.agents).map(({ rejoin }) => rejoin.agent),
    );
    const all = own.flat();
    const reported = all.at(-1)?.reported;
    const came = sum(all.map(({ packets, duplicate }) => packets - duplicate));
    const lost = (reported?.numbered ?? 0) - came;
    expect(lost).toBeGreaterThan(0);
    // The second collector heard nothing of what the first one had, and nobody of the rest.
    const firstCame = sum(own[0]?.map(({ packets }) => packets) ?? []);
    expect(sum(own[1]?.map(({ unheard = 0 }) => unheard) ?? [])).toBe(firstCame + lost);
  });
});
