import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Program } from "../../e2e/program.ts";
import { needs, titled } from "../../support/requirements.ts";
import { BEGIN, conversation, packetOf, payloadPackets } from "../frames.ts";
import { copiesIn, type Delivered } from "./copies.ts";
import { EdgeNode } from "./edge-node.ts";

/** Of each 205 packets, only the SYNs have an option; what follows them has to be known by its flow. */
const MPTCP = [...conversation(1001, 0, true), ...conversation(1002, 300, true, 6)];
const PLAIN = conversation(1003, 600, false);
const TRAFFIC = [...MPTCP, ...PLAIN];
/** SYN and SYN/ACK, and both FINs: all that tc, which knows no flows, sends to a collector of such a conversation. */
const CONTROL = [0, 1, 202, 203];
const STATELESS = [MPTCP.slice(0, 205), MPTCP.slice(205), PLAIN].flatMap((flow) =>
  CONTROL.flatMap((n) => flow.slice(n, n + 1)),
);

const BASE = ["Linux", "root", "network namespaces", "ethtool", "tcpdump", "python3", "koffi"] as const;
const NFT = ["nft", "nft on what leaves", "TAP devices", "VXLAN devices"] as const;
const reason = needs(...BASE, ...NFT, "tc", "tc with BPF");

let folder: string;
let edge: EdgeNode;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-mirror-"));
  if (reason === undefined) edge = new EdgeNode(folder);
});

afterEach(async () => {
  await edge?.network.close();
  rmSync(folder, { recursive: true });
});

const until = (holds: () => boolean) => vi.waitUntil(holds, { timeout: 20_000, interval: 50 });

/** A configuration file: what it says, and an agent that obeys it on `in0`. */
function agentWith(yaml: string, ...words: string[]): Program {
  const file = join(folder, "agent.yaml");
  writeFileSync(file, yaml);
  return new Program(edge.network, "edge", "agent", "--config", file, "-i", "in0", "-c", "10.9.0.2", ...words);
}

const agent = (by: string, device: string, ...words: string[]) =>
  agentWith(`capture: { method: ${by} }\nmirror: { device: ${device} }`, ...words);

const delivered = (device: string): Delivered => (device === "tap" ? "gre-in-udp" : "vxlan");

/** Ends an agent at once, without a chance to do anything about it. */
async function killed(program: Program): Promise<void> {
  program.kill("SIGKILL");
  await program.ended();
}

/** What `rejoin agent` prints for `in0`. */
async function printed(...words: string[]): Promise<string> {
  const program = new Program(edge.network, "edge", "agent", "-i", "in0", "-c", "10.9.0.2", "--print-rules", ...words);
  expect(await program.ended(), program.errors).toBe(0);
  return program.output;
}

/** The copies that arrive when something happens, of which there should be so many. */
async function copiesOf(device: string, count: number, happens: () => unknown): Promise<string[]> {
  const there = await edge.recording();
  await happens();
  await until(() => copiesIn(there, delivered(device)).length >= count);
  await there.finish();
  return copiesIn(there, delivered(device));
}

const WAYS = [
  { by: "nft", device: "tap", collector: "10.9.0.2", copied: MPTCP },
  { by: "nft", device: "vxlan", collector: "10.9.0.2", copied: MPTCP },
  { by: "nft", device: "vxlan", collector: "fd09::2", copied: MPTCP },
  { by: "tc", device: "tap", collector: "fd09::2", copied: MPTCP },
  { by: "tc", device: "vxlan", collector: "10.9.0.2", copied: STATELESS },
];

describe.skipIf(reason)(titled("a mirror of the kernel", reason), { timeout: 90_000 }, () => {
  it.each(WAYS)(
    "by $by to a $device for $collector: whole flows both ways, octet for octet, and nothing stays",
    async ({ by, device, collector, copied }) => {
      const mirror = agent(by, device, "-c", collector);
      await mirror.says(/agent .* started/);
      const copies = await copiesOf(device, 2 * copied.length, () => {
        edge.inject(TRAFFIC);
        edge.inject(TRAFFIC, "out");
      });
      expect(copies).toEqual([...payloadPackets(copied), ...payloadPackets(copied)]);
      expect(await mirror.stop()).toBe(0);
      expect(edge.leftovers()).toBe("");
    },
  );

  it("prints rules that nft accepts", async () => {
    edge.network.ip("edge", "tuntap", "add", "rejoin", "mode", "tap");
    const file = join(folder, "rules.nft");
    writeFileSync(file, await printed());
    edge.network.exec("edge", "nft", "-c", "-f", file);
    edge.network.ip("edge", "link", "del", "rejoin");
    expect(edge.leftovers()).toBe("");
  });

  it.each(["nft", "tc"])("excludes addresses and ports, by %s", async (by) => {
    const exclude = "exclude: { addresses: [2001:db8::/64, 198.51.100.7], ports: [999-1001] }";
    const mirror = agentWith(`capture: { method: ${by} }\nmirror: { device: vxlan }\n${exclude}`);
    await mirror.says(/started/);
    const other = conversation(1004, 0, true);
    const copied = by === "nft" ? other : CONTROL.flatMap((n) => other.slice(n, n + 1));
    const copies = await copiesOf("vxlan", copied.length, () => edge.inject([...MPTCP, ...other]));
    expect(copies).toEqual(payloadPackets(copied));
    await mirror.stop();
  });

  it("with more flows than are remembered copies what has the option, and says so", async () => {
    const mirror = agentWith(
      "capture: { method: nft }\nmirror: { device: vxlan }\nmaxFlows: 1\nlog: { reportSeconds: 1 }",
    );
    await mirror.says(/started/);
    const [first, second] = [conversation(1001, 0, true), conversation(1004, 0, true)];
    const copied = [...first, ...second.slice(0, 2)];
    const copies = await copiesOf("vxlan", copied.length, () => edge.inject([...first, ...second]));
    expect(copies).toEqual(payloadPackets(copied));
    await mirror.says(/1 flows are remembered, and there are more: 2 packets were copied only because/);
    await mirror.stop();
  });

  it("counts what the TAP had no room for while the agent stood still", async () => {
    const mirror = agent("nft", "tap");
    await mirror.says(/started/);
    mirror.kill("SIGSTOP");
    const burst = Array.from({ length: 45 }, () => MPTCP.slice(0, 200)).flat();
    edge.inject(burst);
    mirror.kill("SIGCONT");
    await mirror.stop();
    const { seen, lost } = mirror.logged(/ended/);
    expect([seen, lost]).toEqual([8192, burst.length - 8192]);
    expect(mirror.errors).toMatch(/kernel dropped 808 packets before the agent saw them/);
  });

  it("forgets a flow that was idle", async () => {
    const mirror = agentWith("capture: { method: nft }\nmirror: { device: vxlan, idleSeconds: 1 }");
    await mirror.says(/started/);
    const copies = await copiesOf("vxlan", 10, async () => {
      edge.inject(MPTCP.slice(0, 10));
      await until(() => !edge.network.exec("edge", "nft", "list", "ruleset").includes("elements"));
      edge.inject(MPTCP.slice(10, 20));
    });
    expect(copies).toEqual(payloadPackets(MPTCP.slice(0, 10)));
    await mirror.stop();
  });

  it.each([
    { by: "nft", device: "tap" },
    { by: "tc", device: "vxlan" },
  ])("by $by to a $device: goes on where devices are made anew and rules are flushed", async ({ by, device }) => {
    const mirror = agent(by, device);
    await mirror.says(/started/);
    const breakings = [
      () => edge.network.ip("edge", "link", "del", "rejoin"),
      () => {
        edge.network.ip("edge", "link", "del", "in0");
        edge.linkInside();
      },
      () =>
        by === "nft"
          ? edge.network.exec("edge", "nft", "flush", "ruleset")
          : edge.network.exec("edge", "tc", "qdisc", "del", "dev", "in0", "clsact"),
    ];
    const flow = MPTCP.slice(0, 20);
    const copied = by === "tc" && device === "vxlan" ? flow.slice(0, 2) : flow;
    const whole = edge.installed();
    const again = () => (mirror.errors.match(/installing the mirror again/g) ?? []).length;
    for (const [n, breaking] of breakings.entries()) {
      breaking();
      await mirror.says(new RegExp(`(?:installing the mirror again[^]*){${n + 1}}`));
      await expect.poll(() => edge.installed(), { timeout: 20_000 }).toBe(whole);
      const copies = await copiesOf(device, copied.length, () => edge.inject(flow));
      expect(copies, `after breaking ${n}`).toEqual(payloadPackets(copied));
    }
    expect(again()).toBe(breakings.length);
    expect(await mirror.stop()).toBe(0);
    expect(edge.leftovers()).toBe("");
  });

  it("is removed when its agent is killed", async () => {
    const mirror = agent("nft", "vxlan");
    await mirror.says(/started/);
    expect(edge.leftovers()).toContain("rejoin");
    await killed(mirror);
    await until(() => edge.leftovers() === "");
    // What removed it ends a moment later.
    await until(() => edge.processes("keep").length === 0);
  });

  it.each([
    { by: "nft", device: "vxlan" },
    { by: "tc", device: "tap" },
  ])("by $by to a $device: whatever is left when all are killed goes with --clean", async ({ by, device }) => {
    const mirror = agent(by, device);
    await mirror.says(/started/);
    const clean = async () => {
      const program = new Program(edge.network, "edge", "agent", "--clean");
      return [await program.ended(), program.errors];
    };
    expect(await clean()).toEqual([2, expect.stringMatching(/process \d+ mirrors under this name: end it first/)]);
    for (const keeper of edge.processes("keep")) process.kill(keeper, "SIGKILL");
    await killed(mirror);
    expect(edge.leftovers()).not.toBe("");
    expect(await clean()).toEqual([0, ""]);
    expect(edge.leftovers()).toBe("");
  });

  it("as another user: rules and TAP are made anew, and removed", async () => {
    const mirror = agentWith("capture: { method: nft }\nuser: nobody");
    await mirror.says(/started/);
    const whole = edge.installed();
    edge.network.ip("edge", "link", "del", "rejoin");
    await mirror.says(/TAP rejoin is gone[\s\S]*installing the mirror again/);
    await expect.poll(() => edge.installed(), { timeout: 20_000 }).toBe(whole);
    expect(await copiesOf("tap", 20, () => edge.inject(MPTCP.slice(0, 20)))).toEqual(
      payloadPackets(MPTCP.slice(0, 20)),
    );
    expect(await mirror.stop()).toBe(0);
    expect(edge.leftovers()).toBe("");
  });

  it("takes the place of what a killed agent left, and not that of one that lives", async () => {
    const first = agent("nft", "vxlan");
    await first.says(/started/);
    const second = agent("nft", "vxlan");
    expect(await second.ended()).toBe(2);
    expect(second.errors).toMatch(/^rejoin: cannot mirror with nft: process \d+ mirrors under this name/m);
    for (const keeper of edge.processes("keep")) process.kill(keeper, "SIGKILL");
    await killed(first);
    const third = agent("nft", "vxlan");
    await third.says(/started/);
    expect(await copiesOf("vxlan", MPTCP.length, () => edge.inject(MPTCP))).toEqual(payloadPackets(MPTCP));
    await third.stop();
    expect(edge.leftovers()).toBe("");
  });

  it("leaves a device of somebody else's alone", async () => {
    edge.network.ip("edge", "link", "add", "rejoin", "type", "veth", "peer", "name", "other");
    const mirror = agent("nft", "vxlan");
    expect(await mirror.ended()).toBe(2);
    expect(mirror.errors).toMatch(/there is a device of this name that is not mine/);
    const tap = agent("nft", "tap");
    expect(await tap.ended()).toBe(2);
    expect(tap.errors).toMatch(/cannot make TAP rejoin \(EINVAL\); there is another device of this name/);
    expect(await new Program(edge.network, "edge", "agent", "--clean").ended()).toBe(0);
    expect(edge.network.ip("edge", "-o", "link", "show", "rejoin")).toContain("rejoin@other");
  });

  it.each(["nft", "tc"])("without an agent, by a script that sh runs: %s", async (by) => {
    const file = join(folder, "mirror.sh");
    writeFileSync(file, await printed("--standalone", "--capture", by, "--key", "7"));
    const script = (verb: string) =>
      edge.network.exec("edge", "env", "-i", "PATH=/bin:/sbin:/usr/sbin:/usr/bin", "sh", file, verb);
    const copied = by === "nft" ? MPTCP : STATELESS;
    // Nobody started it.
    script("check");
    expect(edge.leftovers()).toBe("");
    expect(() => script("counts")).toThrow(/rejoin: there is no mirror$/m);
    script("start");
    expect(await copiesOf("vxlan", copied.length, () => edge.inject(TRAFFIC))).toEqual(payloadPackets(copied));
    script("check");
    edge.network.ip("edge", "link", "del", "rejoin");
    script("check");
    expect(await copiesOf("vxlan", copied.length, () => edge.inject(TRAFFIC))).toEqual(payloadPackets(copied));
    expect(script("counts")).toContain(`tx_packets ${copied.length}\n`);
    // It is no agent's.
    expect(await new Program(edge.network, "edge", "agent", "--clean").ended()).toBe(0);
    expect(edge.leftovers()).not.toBe("");
    script("stop");
    expect(edge.leftovers()).toBe("");
    // As from cron, which nobody told.
    const check = `sh ${file} check 2>&1`;
    expect(edge.network.exec("edge", "sh", "-c", check)).toBe(
      "rejoin: there is no mirror: it was not started, or stopped\n",
    );
    expect(edge.leftovers()).toBe("");
  });

  it.each(["nft", "tc"])("takes nothing in by its devices, with %s", async (by) => {
    const file = join(folder, "mirror.sh");
    writeFileSync(file, await printed("--standalone", "--capture", by));
    edge.network.exec("edge", "sh", file, "start");
    edge.network.sysctl("edge", "net.ipv4.ip_forward=1");
    // Where the frame's packet would be forwarded to.
    edge.network.ip("edge", "address", "add", "10.2.0.1/24", "dev", "in0");
    const mac = edge.network.exec("edge", "cat", "/sys/class/net/rejoin/address").trim();
    const frame = packetOf({ atMicros: BEGIN, flags: 2 }).octets.slice();
    frame.set(Buffer.from(mac.replaceAll(":", ""), "hex"), 0);
    const header = new DataView(frame.buffer, frame.byteOffset + 14, 20);
    let sum = 0;
    for (let at = 0; at < 20; at += 2) sum += header.getUint16(at);
    header.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)));
    const send =
      "import socket,sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(bytes.fromhex(sys.argv[1]), ('10.9.0.1', 4789))";
    edge.network.exec("core", "python3", "-c", send, `0800000000000100${Buffer.from(frame).toString("hex")}`);
    const received = () => edge.network.exec("edge", "cat", "/sys/class/net/rejoin/statistics/rx_packets").trim();
    await until(() => received() !== "0");
    const neighbours = edge.network.ip("edge", "neigh", "show", "dev", "in0");
    expect([received(), neighbours]).toEqual(["1", ""]);
    edge.network.exec("edge", "sh", file, "stop");
  });

  it("says which way to the collector, interface or program it lacks", async () => {
    const nowhere = agent("nft", "vxlan", "-c", "192.0.2.77");
    expect(await nowhere.ended()).toBe(2);
    expect(nowhere.errors).toMatch(/^rejoin: cannot mirror with nft: there is no route to 192.0.2.77$/m);
    const absent = new Program(edge.network, "edge", "agent", "-i", "none0", "-c", "10.9.0.2", "--capture", "nft");
    expect(await absent.ended()).toBe(2);
    expect(absent.errors).toMatch(/there is no interface none0/);
    expect(edge.leftovers()).toBe("");
  });
});
