import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needs, titled } from "../support/requirements.ts";
import { Network } from "./network.ts";
import { PacketCount } from "./packet-count.ts";
import { StalledTransfer, type TransferTruth, transfer } from "./transfer.ts";
import { ADDRESSES, buildTwoPaths, joinFromSecondAddress, LAB, ROUTERS } from "./two-paths.ts";

const reason = needs(...LAB);

describe.skipIf(reason !== undefined)(titled("the lab", reason), () => {
  let network: Network;
  const folder = mkdtempSync(join(tmpdir(), "rejoin-lab-"));

  beforeAll(() => {
    network = buildTwoPaths();
    joinFromSecondAddress(network);
  });
  afterAll(async () => {
    await network?.close();
    rmSync(folder, { recursive: true });
  });

  test.each(["ipv4", "ipv6"] as const)("carries one MPTCP session over both routers: %s", async (family) => {
    const tag = `${family}.pcap`;
    const counts = ROUTERS.map(
      (router) => new PacketCount(network, router, "core", "tcp", join(folder, `${router}-${tag}`)),
    );
    await Promise.all(counts.map((count) => count.started()));
    const once = (): Promise<TransferTruth> =>
      transfer(network, {
        clientAddress: ADDRESSES.client[family][0],
        serverAddress: ADDRESSES.server[family][0],
        connections: 2,
        fromClient: 1_500_000,
        fromServer: 700_001,
      });
    const again = (error: unknown): Promise<TransferTruth> => {
      if (error instanceof StalledTransfer) return once();
      throw error;
    };
    const truth = await once().catch(again).catch(again);
    await Promise.all(counts.map((count) => count.finish()));

    const { client, server } = truth.kernel;
    expect(client.sessions).toHaveLength(2);
    expect(client.subflows).toHaveLength(4);
    expect(client.sessions.map(({ token }) => token).sort()).toEqual(truth.client.map(({ token }) => token).sort());
    expect(server.sessions.map(({ token }) => token).sort()).toEqual(truth.server.map(({ token }) => token).sort());
    const octets = client.subflows.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
    expect(octets).toBeGreaterThanOrEqual(2 * 700_001);
    for (const { local, sent } of truth.client) {
      const other = truth.server.find(({ remote }) => String(remote) === String(local));
      // Not the hash: now and then Linux gives a receiver other octets than crossed the routers (docs/testing.md).
      expect(other?.received.octets).toBe(sent.octets);
    }
    for (const count of counts) expect(count.count()).toBeGreaterThan(100);
  });

  test("stands beside another of its kind, and leaves nothing behind", async () => {
    const other = new Network("alone");
    const name = other.namespace("alone");
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).toContain(name);
    other.spawn("alone", "sleep", ["600"]);
    await other.close();
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).not.toContain(name);
  });

  test("removes what a killed run left", async () => {
    const dead = spawnSync("true").pid;
    const left = `rejoin-${dead}-0-left`;
    execFileSync("ip", ["netns", "add", left]);
    const other = new Network("alone");
    expect(execFileSync("ip", ["netns", "list"], { encoding: "utf8" })).not.toContain(left);
    await other.close();
  });
});
