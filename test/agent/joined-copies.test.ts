import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GRE_AGENT_REPORT } from "../../src/wire/agent-report.ts";
import { Program } from "../e2e/program.ts";
import type { Network } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { pcapFile } from "../support/pcap.ts";
import { needs, titled } from "../support/requirements.ts";
import { conversation, payloadPackets } from "./frames.ts";
import { copyOf } from "./receiver.ts";
import { tapEdgeCore } from "./tap-edge-core.ts";

const INJECT = fileURLToPath(new URL("inject.py", import.meta.url));
/** Each datagram as it arrives, a line of hexadecimal. */
const LISTEN = `
import socket
listener = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
listener.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
listener.bind(("::", 4754))
print("listening", flush=True)
while True: print(listener.recv(65535).hex(), flush=True)`;
const TRAFFIC = conversation(1001, 0, true);
const reason = needs("Linux", "root", "network namespaces", "ethtool", "tcpdump", "python3", "koffi");

let folder: string;
let network: Network;
let datagrams: Buffer[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-joined-"));
  if (reason !== undefined) return;
  network = tapEdgeCore();
  const listener = network.spawn("core", "python3", ["-c", LISTEN]);
  let said = "";
  listener.stdout.on("data", (text: Buffer) => {
    said += text;
    const lines = said.split("\n").slice(0, -1);
    datagrams = lines.filter((line) => line !== "listening").map((line) => Buffer.from(line, "hex"));
  });
  await once(listener.stdout, "data");
});

afterEach(async () => {
  await network?.close();
  rmSync(folder, { recursive: true });
});

/** Copies the conversation to this address; returns how many packets tcpdump saw leave, and the agent's counts. */
async function copyTo(collector: string): Promise<{ left: number; counts: Record<string, unknown> }> {
  const config = join(folder, "unfiltered.yaml");
  writeFileSync(config, "capture:\n  kernelFilter: false\n");
  const agent = new Program(
    network,
    "edge",
    "agent",
    "--interface",
    "in0",
    "--collector",
    collector,
    "--config",
    config,
  );
  const leaving = new PacketCount(network, "edge", "out0", "udp dst port 4754", join(folder, "left.pcap"));
  await Promise.all([agent.says(/agent .* started/), leaving.started()]);
  const file = join(folder, "inject.pcap");
  writeFileSync(file, pcapFile(TRAFFIC));
  network.exec("tap", "python3", INJECT, file, "tap0");
  for (const end = Date.now() + 10_000; datagrams.length < TRAFFIC.length && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await agent.stop()).toBe(0);
  await leaving.finish();
  return { left: leaving.count(), counts: agent.logged(/ended/) };
}

/** Every packet of the conversation came as a datagram of its own, in order. */
function expectAll(counts: Record<string, unknown>): void {
  expect(counts).toMatchObject({ selected: TRAFFIC.length, sent: TRAFFIC.length + 3, failed: 0, dropped: 0, lost: 0 });
  const copies = datagrams.map(copyOf).filter(({ protocol }) => protocol !== GRE_AGENT_REPORT);
  expect(copies.map(({ sequence }) => sequence)).toEqual(TRAFFIC.map((_, n) => n));
  expect(copies.map(({ packet }) => packet.toString("hex"))).toEqual(payloadPackets(TRAFFIC));
}

describe.skipIf(reason)(titled("copies of one length", reason), { timeout: 60_000 }, () => {
  for (const collector of ["10.9.0.2", "fd09::2"]) {
    it(`go to ${collector} together where the card makes checksums, and arrive one by one`, async () => {
      network.exec("edge", "ethtool", "-K", "out0", "tx", "on");
      const { left, counts } = await copyTo(collector);
      expectAll(counts);
      expect(left).toBeLessThan(TRAFFIC.length);
    });

    it(`go to ${collector} one by one where it does not`, async () => {
      const { left, counts } = await copyTo(collector);
      expectAll(counts);
      expect(left).toBe(TRAFFIC.length + 3);
    });
  }
});
