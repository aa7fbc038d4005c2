import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CollectorReport } from "../../../collectors/central/collector-contract.ts";
import type { SessionRecord } from "../../../schema/session-record.ts";
import { Program, REJOIN } from "../../e2e/program.ts";
import { Network, stop } from "../../lab/network.ts";
import { PacketCount } from "../../lab/packet-count.ts";
import { ip } from "../../support/packets.ts";
import { packetsOf, pcapFile } from "../../support/pcap.ts";
import { needs, titled } from "../../support/requirements.ts";

const INJECT = fileURLToPath(new URL("../../agent/inject.py", import.meta.url));
const UNSAYABLE = fileURLToPath(new URL("unsayable.py", import.meta.url));
const RING_PACKETS = fileURLToPath(new URL("ring-packets.mjs", import.meta.url));
const WITHOUT_KOFFI = fileURLToPath(new URL("../../support/without-koffi.cjs", import.meta.url));
const capture = (router: string) =>
  fileURLToPath(new URL(`../../../collectors/demo/captures/${router}.pcap.gz`, import.meta.url));

/** What a collector may be sent, in the words of tcpdump, which has its own compiler of filters. */
const COPIES =
  "ip proto 47 or (ip proto 17 and ip[6:2] & 0x1fff != 0) or ip6 proto 47 or udp dst port 4754 or " +
  "((ip6[6] = 44 or ip6[6] = 60) and (ip6[40] = 47 or ip6[40] = 17))";

const ENDS = { 4: ["10.9.0.1", "10.9.0.2"], 6: ["fd09::1", "fd09::2"] } as const;

let folder: string;
let network: Network;

/** edge -(edge0, core0)- core: an agent there, a collector here. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-ring-"));
  if (reason !== undefined) return;
  network = new Network("edge", "core");
  network.link(
    { node: "edge", name: "edge0", addresses: ["10.9.0.1/24", "fd09::1/64"] },
    { node: "core", name: "core0", addresses: ["10.9.0.2/24", "fd09::2/64"] },
  );
});

afterEach(async () => {
  await network?.close();
  rmSync(folder, { recursive: true });
});

function udp(port: number, octets: number): Buffer {
  const datagram = Buffer.alloc(8 + octets, port & 255);
  datagram.writeUInt16BE(5000, 0);
  datagram.writeUInt16BE(port, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  return datagram;
}

/** Packets that the ring must take, and others that it must leave. */
function everyKind(): Buffer[] {
  const gre = Buffer.from("2000080000000001deadbeef", "hex");
  const packets: Buffer[] = [];
  for (const [from, to] of [ENDS[4], ENDS[6]]) {
    packets.push(ip(47, from, to, gre), ip(6, from, to, Buffer.alloc(20, 1)));
    for (const port of [53, 4754, 4755, 4789]) packets.push(ip(17, from, to, udp(port, 16)));
  }
  const options = ip(17, ...ENDS[4], Buffer.concat([Buffer.from("01010101", "hex"), udp(4754, 16)]));
  options[0] = 0x46;
  packets.push(options);
  for (const protocol of [47, 17, 6]) {
    // The first fragment of a datagram to a port of no collector, then what follows one to whichever port.
    for (const field of [0x2000, 0x2003, 0x0006]) {
      const fragment = ip(protocol, ...ENDS[4], protocol === 17 ? udp(53, 16) : Buffer.alloc(24, 7));
      fragment.writeUInt16BE(field, 6);
      packets.push(fragment);
    }
    for (const extension of [44, 60]) {
      const header = Buffer.from([protocol, 0, 0, 1, 0, 0, 0, 9]);
      packets.push(ip(extension, ...ENDS[6], Buffer.concat([header, Buffer.alloc(16, 5)])));
    }
  }
  return packets;
}

/** Sends packets out of `edge0`, to the link address of `core0` and once more to that of somebody else. */
function inject(packets: readonly Buffer[]): void {
  const [link] = JSON.parse(network.ip("core", "-j", "link", "show", "core0")) as { address: string }[];
  const to = [Buffer.from(link?.address.replaceAll(":", "") ?? "", "hex"), Buffer.from("020000000099", "hex")];
  const frames = to.flatMap((destination) =>
    packets.map((packet) => {
      const type = Buffer.from((packet[0] ?? 0) >> 4 === 4 ? "0800" : "86dd", "hex");
      const octets = Buffer.concat([destination, Buffer.from("0200000000aa", "hex"), type, packet]);
      return { atMicros: 0, wire: octets.length, octets };
    }),
  );
  const file = join(folder, "inject.pcap");
  writeFileSync(file, pcapFile(frames));
  network.exec("edge", "python3", INJECT, file, "edge0");
}

function packetsIn(file: string): string[] {
  execFileSync("gzip", ["-f", file]);
  return packetsOf(`${file}.gz`, 0).map(({ octets }) => Buffer.from(octets).toString("hex"));
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));

async function recording(filter: string): Promise<PacketCount> {
  const count = new PacketCount(network, "core", "core0", filter, join(folder, "core0.pcap"));
  await count.started();
  return count;
}

/** A collector whose ring has room for all that the tests send, so that a busy machine loses nothing. */
function collector(...args: readonly string[]): Program {
  const all = [
    "--any-agent",
    "--digest",
    "--dir",
    join(folder, "records"),
    "--receive-buffer-mib",
    "64",
    "--drain-seconds",
    "14",
    ...args,
  ];
  return new Program(network, "core", "collect", ...all);
}

/** An agent sends what both routers of the demo saw. Returns how much: copies, and reports of its own counts beside them. */
async function replay(...args: readonly string[]): Promise<{ sent: number; reports: number }> {
  const files = ["--replay", capture("router1"), capture("router2")];
  const to = ["--collector", ENDS[4][1], "--key", "1", "--speed", "4"];
  const agent = new Program(network, "edge", "agent", ...to, ...args, ...files);
  expect(await agent.ended()).toBe(0);
  await settle();
  const counts = agent.logged(/ended/);
  expect(counts).toMatchObject({ failed: 0, refused: 0, dropped: 0 });
  return { sent: Number(counts.sent), reports: Number(counts.reports) };
}

/** What of a session must be the same, whoever read its packets. */
function told(lines: string): string[] {
  return lines
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SessionRecord)
    .filter(({ event }) => event.action === "session-ended")
    .map(({ mptcp, network: { packets, bytes } }) =>
      JSON.stringify([mptcp.session.id, packets, bytes, mptcp.stream, mptcp.close, mptcp.subflows.length]),
    )
    .toSorted();
}

const published = (): string[] => told(readFileSync(join(folder, "records", "rejoin.sessions.v1.jsonl"), "utf8"));
const readOf = (...files: readonly string[]): string[] =>
  told(execFileSync(process.execPath, [REJOIN, "read", "--json", "--digest", ...files], { encoding: "utf8" }));

/** A counter of the collector's host. */
const counter = (name: string): number =>
  Number(/\s(\d+)\s/.exec(network.exec("core", "nstat", "-asz", name).split("\n")[1] ?? "")?.[1]);

const reason = needs(
  ...(["Linux", "root", "network namespaces", "ethtool", "tcpdump", "python3", "koffi"] as const),
  ...(["raw-socket", "nft", "nstat", "gzip"] as const),
);

describe.skipIf(reason)(titled("receiving by packet ring", reason), { timeout: 60_000 }, () => {
  it("takes, octet for octet, what tcpdump takes for copies to this host", async () => {
    const beside = await recording(`not ether dst 02:00:00:00:00:99 and (${COPIES})`);
    const ring = network.spawn("core", process.execPath, [RING_PACKETS, "core0"]);
    let taken = "";
    ring.stdout.setEncoding("utf8").on("data", (text: string) => {
      taken += text;
    });
    await once(ring.stderr, "data");
    inject(everyKind());
    // Of each IP version GRE and GRE-in-UDP; one with IP options; fragments and extension headers of GRE and UDP.
    const count = 2 * 2 + 1 + 3 + 2 + 4;
    await expect.poll(() => taken.split("\n").length - 1, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
    await settle();
    await Promise.all([stop(ring), beside.finish()]);
    const expected = packetsIn(beside.file);
    expect(expected).toHaveLength(count);
    expect(taken.trim().split("\n")).toEqual(expected);
  });

  it.each([
    { drop: false, encapsulation: "udp", mtu: "1500", fragments: false },
    { drop: true, encapsulation: "gre", mtu: "1500", fragments: false },
    { drop: true, encapsulation: "udp", mtu: "1400", fragments: true },
  ])(
    "tells what tcpdump's capture tells: $encapsulation, dropped behind the ring: $drop, in fragments: $fragments",
    async (way) => {
      const { drop, encapsulation, mtu, fragments } = way;
      network.ip("edge", "link", "set", "edge0", "mtu", mtu);
      const central = collector("--listen-ring", "core0", ...(drop ? ["--ring-drop"] : []));
      await central.says(/listening on ring core0/);
      const tables = () => network.exec("core", "nft", "list", "tables");
      expect(tables()).toBe(drop ? "table netdev rejoin-core0\n" : "");
      const beside = await recording("ip proto 47 or udp or icmp");
      const before = counter("IpInReceives");
      const { sent, reports } = await replay("-e", encapsulation, ...(fragments ? ["--fragment"] : []));
      const climbed = counter("IpInReceives") - before;
      expect(await central.stop()).toBe(0);
      await beside.finish();

      const passed = beside.count("ip proto 47 or udp");
      const pieces = fragments ? passed - sent : 0;
      expect(passed).toBe(sent + pieces);
      expect(reports).toBeGreaterThan(0);
      if (fragments) expect(pieces).toBeGreaterThan(0.2 * sent);
      expect(central.logged(/totals at the end/)).toMatchObject({
        packetsIn: passed,
        packets: {
          "session/counted": sent - reports,
          "decapsulate/agent-report": reports,
          ...(fragments ? { "decapsulate/fragment": pieces } : {}),
        },
        sources: [{ name: "ring core0", packets: passed, kernelDrops: 0, unreadOctets: 0 }],
      });
      expect(published()).toEqual(readOf(beside.file));
      expect(published()).toHaveLength(6);
      // Nobody answers, and behind the rule IP sees fragments of UDP at most.
      expect(beside.count("icmp")).toBe(0);
      if (!drop) expect(climbed).toBeGreaterThanOrEqual(sent);
      else expect(climbed).toBeLessThan(fragments ? 2 * pieces + 20 : 20);
      expect(tables()).toBe("");
    },
  );

  it.each([4, 6] as const)("takes copies apart that go together over IPv%i", async (version) => {
    // As veth pairs are by themselves: what one host sends together arrives together.
    network.exec("edge", "ethtool", "-K", "edge0", "tx", "on");
    for (const node of ["edge", "core"]) network.ip(node, "link", "set", `${node}0`, "mtu", "1600");
    const central = collector("--listen-ring", "core0");
    await central.says(/listening on ring core0/);
    const beside = await recording("udp");
    const { sent } = await replay("-e", "udp", "-c", ENDS[version][1]);
    expect(await central.stop()).toBe(0);
    await beside.finish();
    expect(beside.count("udp")).toBeLessThan(sent);
    expect(central.logged(/totals at the end/)).toMatchObject({
      packetsIn: sent,
      sources: [{ name: "ring core0", packets: sent, kernelDrops: 0, unreadOctets: 0 }],
    });
    expect(published()).toEqual(readOf(capture("router1"), capture("router2")));
    expect(published()).toHaveLength(6);
  });

  it("passes over what the kernel could not tell, and counts as lost", async () => {
    const tap = network.spawn("core", "python3", [UNSAYABLE, "tap0", "24", "8"]);
    await once(tap.stdout, "data");
    // The smallest ring: places are used again, with what stood in them.
    const central = collector("--listen-ring", "tap0", "--receive-buffer-mib", "1");
    await central.says(/listening on ring tap0/);
    tap.stdin.write("\n");
    await once(tap.stdout, "data");
    await settle();
    expect(await central.stop()).toBe(0);
    expect(central.logged(/totals at the end/)).toMatchObject({
      packetsIn: 24 + 8,
      sources: [{ name: "ring tap0", packets: 24 + 8, kernelDrops: 8 }],
    });
  });

  it("has the rule removed however it ends", async () => {
    const central = collector("--listen-ring", "core0", "--ring-drop");
    await central.says(/listening/);
    const rule = () => network.exec("core", "nft", "list", "ruleset");
    expect(rule()).toContain("ip protocol gre drop");
    central.kill("SIGKILL");
    await central.ended();
    await expect.poll(rule, { timeout: 20_000 }).toBe("");
    const next = collector("--listen-ring", "core0", "--ring-drop");
    await next.says(/listening/);
    expect(await next.stop()).toBe(0);
    expect(rule()).toBe("");
  });

  it("renews ring and rule when its interface goes and comes back", async () => {
    const central = collector("--listen-ring", "core0", "--ring-drop");
    await central.says(/listening/);
    network.ip("core", "link", "del", "core0");
    await central.says(/interface core0 is gone/);
    network.link(
      { node: "edge", name: "edge0", addresses: ["10.9.0.1/24"] },
      { node: "core", name: "core0", addresses: ["10.9.0.2/24"] },
    );
    await central.says(/interface core0 is back/);
    for (let n = 0; n < 50 && !network.exec("core", "nft", "list", "ruleset").includes("core0"); n++) await settle();
    const { sent } = await replay();
    expect(await central.stop()).toBe(0);
    expect(central.logged(/totals at the end/)).toMatchObject({ packetsIn: sent });
    expect(network.exec("core", "nft", "list", "ruleset")).toBe("");
  });

  it("receives through sockets where koffi is missing, and says so", async () => {
    const options = process.env.NODE_OPTIONS;
    process.env.NODE_OPTIONS = `--require=${WITHOUT_KOFFI}`;
    const central = collector("--listen-ring", "core0");
    process.env.NODE_OPTIONS = options ?? "";
    await central.says(/listening on udp \[::\]:4754, gre over IPv4, gre over IPv6/);
    expect(central.errors).toMatch(/koffi cannot be used .*; copies are received through sockets instead/);
    const both = [await replay(), await replay("-e", "gre", "--key", "2")];
    expect(await central.stop()).toBe(0);
    const { sources } = central.logged(/totals at the end/) as unknown as CollectorReport;
    // What a busy machine's sockets had no room for, their kernel counts.
    const counted = sources.map(({ packets, kernelDrops }) => packets + (kernelDrops ?? 0));
    expect(counted).toEqual([...both.map(({ sent }) => sent), 0]);
  });

  it.each([
    ["an interface that is not there", ["--listen-ring", "nosuchdev"], /no interface nosuchdev/],
    [
      "a second collector's rule",
      ["--listen-ring", "core0", "--ring-drop"],
      /no rule that drops packets on core0: nft: .*permitted/,
    ],
  ])("ends with a line for %s", async (_, args, line) => {
    const first = collector("--listen-ring", "core0", "--ring-drop");
    await first.says(/listening/);
    const second = new Program(network, "core", "collect", "--any-agent", "--dir", join(folder, "other"), ...args);
    expect(await second.ended()).toBe(2);
    expect(second.errors.trim().split("\n").at(-1)).toMatch(line);
    await first.stop();
  });
});
