import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { agentChecks } from "../../collectors/doctor/agent-checks.ts";
import { collectorChecks } from "../../collectors/doctor/collector-checks.ts";
import type { Check } from "../../collectors/doctor/finding.ts";
import type { Machine } from "../../collectors/doctor/machine.ts";
import { diskCheck } from "../../collectors/doctor/record-checks.ts";
import type { Libc } from "../../collectors/linux/libc.ts";
import { agentConfiguration } from "../../schema/configuration/agent.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";

/** A machine without koffi that answers as it is told, and else as one that is well. */
function machine(change: Partial<Machine> = {}): Machine {
  return {
    kernel: [6, 8],
    libc: null,
    withoutLibc: "package koffi cannot be used",
    hasRawSocket: true,
    can: () => true,
    interfaces: () => [
      { name: "eth0", mtu: 1500, isUp: true },
      { name: "eth1", mtu: 1500, isUp: true },
    ],
    parameter: () => 0,
    output: async (program) =>
      ({ nft: "nftables v1.0.6 (Lester Gooch)", ethtool: "large-receive-offload: off" })[program] ?? "",
    ...change,
  };
}

/** What checks find of one thing, `level text` each. */
async function found(checks: readonly Check[], what: string): Promise<string[]> {
  const findings = await Promise.all(checks.filter((check) => check.what === what).map(({ look }) => look()));
  return findings.flat().map(({ level, text }) => `${level} ${text}`);
}

const agent = (values: object, on = machine()) => agentChecks(on, agentConfiguration.parse(values));
const collector = (values: object, on = machine()) => collectorChecks(on, collectorConfiguration.parse(values));
/** A C library that is there, and is not called. */
const libc = {} as Libc;
const sets = (values: Readonly<Record<string, number>>) => machine({ parameter: (name) => values[name] ?? null });

/** Somebody who has a TCP port of loopback. */
async function listening(): Promise<{ port: number; close: () => void }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

describe("an agent's duty", () => {
  it.each([
    ["ring", [], /^fail package koffi cannot be used, for packet rings$/],
    ["auto", [], /^warn package koffi cannot be used, for packet rings; tcpdump's pipe/],
  ])("capturing by %s without koffi", async (method, _, said) => {
    expect(await found(agent({ capture: { method } }), "koffi")).toEqual([expect.stringMatching(said)]);
  });

  it("asks for tcpdump where there is no ring", async () => {
    const without = machine({ output: async () => null });
    expect(await found(agent({}, without), "tcpdump")).toEqual([expect.stringMatching(/^fail tcpdump is missing/)]);
  });

  it("needs CAP_NET_RAW to capture, CAP_NET_ADMIN to have the kernel copy, and nothing to replay over UDP", async () => {
    const nobody = machine({ can: () => false });
    const said = (values: object) => found(agent(values, nobody), "capabilities");
    expect(await said({})).toEqual([
      expect.stringMatching(/^fail CAP_NET_RAW is missing, for capturing: start as root/),
    ]);
    expect(await said({ capture: { method: "nft" } })).toEqual([expect.stringMatching(/^fail CAP_NET_ADMIN/)]);
    expect(await said({ replay: { files: ["a.pcap"] } })).toEqual([]);
    expect(await said({ replay: { files: ["a.pcap"] }, encapsulation: "gre" })).toEqual([
      expect.stringMatching(/^fail CAP_NET_RAW/),
    ]);
  });

  it("needs koffi or raw-socket to send GRE, and of them koffi to mark UDP or become a user", async () => {
    const replayed = { replay: { files: ["a.pcap"] } };
    const said = async (values: object, change: Partial<Machine> = {}) => {
      const checks = agent({ ...replayed, ...values }, machine({ hasRawSocket: false, ...change }));
      return [...(await found(checks, "koffi")), ...(await found(checks, "raw-socket"))];
    };
    expect(await said({})).toEqual([]);
    expect(await said({ encapsulation: "gre" })).toEqual([
      expect.stringMatching(
        /^fail package raw-socket cannot be used, for encapsulation: gre without koffi \(npm rebuild/,
      ),
    ]);
    expect(await said({ encapsulation: "gre" }, { hasRawSocket: true })).toEqual([expect.stringMatching(/^ok/)]);
    expect(await said({ encapsulation: "gre" }, { libc })).toEqual([]);
    expect(await said({ dscp: 8, user: "nobody" })).toEqual([
      "fail package koffi cannot be used, for dscp over UDP",
      "fail package koffi cannot be used, for user",
    ]);
    expect(await said({ dscp: 8, user: "nobody" }, { libc })).toEqual([]);
  });

  it("tells an admin address that it cannot have", async () => {
    const { port, close } = await listening();
    expect(await found(agent({ admin: { listen: port } }), "admin address")).toEqual([
      `warn ${port} is taken: by one that runs already, or say another in admin.listen`,
    ]);
    close();
    expect(await found(agent({ admin: { listen: port } }), "admin address")).toEqual([
      `ok ${port} can be had, and tells on loopback, or to who has the token`,
    ]);
  });

  it.each([
    [
      { method: "nft", direction: "both" },
      [5, 15],
      "fail Linux 5.15: nft on what leaves came with 5.16; use a newer one",
    ],
    [{ method: "nft", direction: "in" }, [5, 15], "ok Linux 5.15 has nft on what arrives"],
    [{ method: "ring" }, [4, 19], "fail Linux 4.19: packet rings of what arrives came with 4.20; use a newer one"],
  ] as const)("%o on %o", async (capture, kernel, line) => {
    expect(await found(agent({ capture }, machine({ kernel })), "kernel")).toEqual([line]);
  });

  it.each([
    [null, "fail nft is missing, for capture.method: nft: install nftables 1.0 or newer"],
    ["nftables v0.9.8 (E.D.S.)", "fail nftables 0.9.8: capture.method: nft needs 1.0 or newer"],
    ["nftables v1.1.0 (Commodore)", "ok nftables 1.1.0"],
  ])("nft that says %s", async (said, line) => {
    const asked = machine({ output: async (program) => (program === "nft" ? said : "") });
    expect(await found(agent({ capture: { method: "nft" } }, asked), "nft")).toEqual([line]);
  });

  it("tells interfaces that are missing or down, and cards that join segments", async () => {
    const interfaces = [
      { name: "eth0", mtu: 1500, isUp: false },
      { name: "eth1", mtu: 1500, isUp: true },
    ];
    const lro = machine({ interfaces: () => interfaces, output: async () => "large-receive-offload: on" });
    const checks = agent({ capture: { interfaces: ["eth0", "eth1", "eth7"] } }, lro);
    expect(await found(checks, "interfaces")).toEqual([
      "warn eth0 is down, or nothing is at its other end: ip link set eth0 up",
      "ok eth1 is up",
      "fail there is no eth7; `ip link` lists those there are",
    ]);
    const joins = (name: string) =>
      `warn ${name} joins segments in hardware (LRO), and options are lost: ethtool -K ${name} lro off`;
    expect(await found(checks, "offloads")).toEqual(["eth0", "eth1"].map(joins));
  });

  it.each([
    [20_480, /^warn net\.core\.optmem_max is 20480: .*sysctl -w net\.core\.optmem_max=131072$/],
    [131_072, /^ok/],
  ])("with optmem_max of %d", async (value, said) => {
    const checks = agent({}, sets({ "net/core/optmem_max": value }));
    expect(await found(checks, "kernel filter")).toEqual([expect.stringMatching(said)]);
  });
});

describe("a collector's duty", () => {
  it.each([
    [{ "net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/eth0/rp_filter": 2 }, /^ok/],
    // The larger of the two holds, and 2 is loose.
    [{ "net/ipv4/conf/all/rp_filter": 2, "net/ipv4/conf/eth0/rp_filter": 1 }, /^ok/],
    [
      { "net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/eth1/rp_filter": 1 },
      /\(strict on eth1\): sysctl -w net\.ipv4\.conf\.all\.rp_filter=2 net\.ipv4\.conf\.eth1\.rp_filter=2$/,
    ],
    [{ "net/ipv4/conf/all/rp_filter": 1 }, /^warn .*\(strict on eth0, eth1\)/],
  ])("with %o", async (values, said) => {
    expect(await found(collector({}, sets(values)), "rp_filter")).toEqual([expect.stringMatching(said)]);
  });

  const ring = (change: object = {}) => ({ listen: { ring: ["eth0"], udp: [], ...change } });

  it("does not ask a ring's host for receive buffers, ports or rp_filter", () => {
    const looked = collector(ring(), machine({ libc })).map(({ what }) => what);
    expect(looked).toEqual([
      "koffi",
      "capabilities",
      "AF_PACKET",
      "kernel",
      "kernel",
      "interfaces",
      "offloads",
      "record files",
    ]);
  });

  it("looks for room for sessions as plain TCP, where somebody wants them", async () => {
    const looked = (plainTcp: object) => collector({ plainTcp }, machine({ libc }));
    expect(looked({}).map(({ what }) => what)).not.toContain("plain TCP");
    expect(await found(looked({ directory: "whole", keepMib: 500 }), "plain TCP")).toEqual([
      expect.stringMatching(/^(ok|warn) \d+ MiB are free at .*, (of|and plainTcp\.keepMib allows) 500/),
    ]);
  });

  it("warns where sockets stand in for a ring, and looks at what they need", async () => {
    const without = collector(ring({ ringDrop: true }), machine({ hasRawSocket: false }));
    // Port 4754 may be another test's at the moment.
    const others = without.filter(({ what }) => what !== "UDP port");
    expect(without.length - others.length).toBe(1);
    const findings = (await Promise.all(others.map(({ look }) => look()))).flat();
    expect(findings.filter(({ level }) => level === "fail")).toEqual([]);
    expect(await found(without, "koffi")).toEqual([
      "warn package koffi cannot be used, for listen.ring; copies are received through sockets instead",
    ]);
    expect(await found(without, "raw-socket")).toEqual([
      expect.stringMatching(/^warn .*; GRE-in-UDP alone is received$/),
    ]);
    const forbidden = collector(ring(), machine({ libc, can: () => false }));
    expect(await found(forbidden, "capabilities")).toEqual([
      expect.stringMatching(/^warn CAP_NET_RAW is missing, for listen\.ring: .*; copies are received through sockets/),
    ]);
  });

  it("warns of a ring whose kernel drops what an agent of the same host sends together", async () => {
    const said = async (kernel: readonly [number, number]) =>
      (await found(collector(ring(), machine({ libc, kernel })), "kernel"))[1];
    expect(await said([6, 1])).toMatch(/^warn Linux 6\.1 drops .*: where .* ethtool -K eth0 tx-udp-segmentation off/);
    expect(await said([6, 2])).toMatch(/^ok/);
  });

  it("needs raw-socket for GRE, and koffi for UDP without checksums", async () => {
    const without = machine({ hasRawSocket: false });
    expect(await found(collector({ listen: { gre: ["ipv4"] } }, without), "raw-socket")).toEqual([
      expect.stringMatching(/^fail package raw-socket cannot be used, for listen\.gre \(npm rebuild/),
    ]);
    expect(await found(collector({ listen: { gre: ["ipv4"] } }), "raw-socket")).toEqual([
      "ok can be used, for listen.gre",
    ]);
    const unchecked = { listen: { zeroUdpChecksums: true } };
    const needed = ["fail package koffi cannot be used, for listen.zeroUdpChecksums"];
    expect(await found(collector(unchecked), "koffi")).toEqual(needed);
    expect(await found(collector(ring({ zeroUdpChecksums: true })), "koffi")).toEqual(needed);
    expect(await found(collector(unchecked, machine({ libc })), "koffi")).toEqual([expect.stringMatching(/^ok/)]);
  });

  it("warns of an admin address that everybody reaches, of one that is taken, and of none on loopback", async () => {
    const said = (admin: object) => found(collector({ admin }), "admin address");
    const { port, close } = await listening();
    expect(await said({ listen: port })).toEqual([expect.stringMatching(/^warn .* is taken: by one that runs/)]);
    close();
    expect(await said({ listen: `0.0.0.0:${port}` })).toEqual([expect.stringMatching(/^warn .*set admin\.token$/)]);
    expect(await said({ listen: `0.0.0.0:${port}`, token: "t" })).toEqual([expect.stringMatching(/^ok/)]);
    expect(await said({ listen: port })).toEqual([expect.stringMatching(/^ok/)]);
    expect(await said({ listen: "192.0.2.77:9464" })).toEqual([
      expect.stringMatching(/^fail .* is no address of this/),
    ]);
  });

  it("looks for room where records will be, made or not", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-doctor-"));
    const room = async (mib: number) =>
      found([diskCheck("outbox", join(folder, "a/b"), mib, "outbox.diskMib")], "outbox");
    expect(await room(1)).toEqual([expect.stringMatching(`^ok \\d+ MiB are free at ${folder}, of 1 that`)]);
    expect(await room(2 ** 30)).toEqual([expect.stringMatching(/^warn .*: lower it, or make room$/)]);
    rmSync(folder, { recursive: true });
  });
});
