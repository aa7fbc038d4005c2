import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Network } from "../lab/network.ts";
import { needs, titled } from "../support/requirements.ts";
import { REJOIN } from "./program.ts";

/** What a doctor's run said: its lines by what they are about, and its exit status. */
function read({ status, stdout, stderr }: { status: number | null; stdout: string; stderr: string }) {
  const lines = stdout.trimEnd().split("\n");
  const about = (what: string) =>
    lines
      .filter((line) => line.slice(6, 22).trim() === what)
      .map((line) => `${line.slice(0, 4).trim()} ${line.slice(24)}`);
  return { status, stderr, about, last: lines.at(-1) };
}

describe("rejoin doctor", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-doctor-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const doctor = (...args: readonly string[]) =>
    read(spawnSync(process.execPath, [REJOIN, "doctor", ...args], { cwd: folder, encoding: "utf8" }));

  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it("looks at this machine, with a line for each thing and a sum", () => {
    const { status, stderr, about, last } = doctor("--collector");
    expect([status, stderr]).toEqual([0, ""]);
    expect(about("receive buffer")).toHaveLength(1);
    expect(last).toMatch(/^0 failures, \d+ warnings?, \d+ ok$/);
  });

  it("without a file judges defaults and environment, and says what is still to be said", () => {
    vi.stubEnv("REJOIN_COLLECTOR__LISTEN__UDP", '["192.0.2.77:4754"]');
    const { status, about } = doctor("--collector");
    vi.unstubAllEnvs();
    expect(about("UDP port")).toEqual([expect.stringMatching(/^fail 192\.0\.2\.77:4754 is no address/)]);
    expect(about("configuration")).toEqual([expect.stringMatching(/^ok no --config: .*: agents: nobody may send yet/)]);
    expect(status).toBe(1);
  });

  it("tells a port that somebody has for IPv6 alone", async (context) => {
    const other = createSocket({ type: "udp6", ipv6Only: true }).bind(0, "::");
    const isBound = await once(other, "listening").catch(() => null);
    if (isBound === null) return context.skip();
    const { port } = other.address();
    const { about } = doctor(
      "--collector",
      "--config",
      file("six.yaml", `listen: { udp: [${port}] }\nanyAgent: true\n`),
    );
    other.close();
    expect(about("UDP port")).toEqual([expect.stringMatching(new RegExp(`^warn ${port} is taken`))]);
  });

  it("tells every fault of a configuration", () => {
    const path = file("wrong.yaml", "capture: { interfacs: [eth0] }\nsnap: 3\n");
    const { status, about } = doctor("--agent", "--config", path);
    expect(status).toBe(1);
    expect(about("configuration")).toEqual([
      expect.stringMatching(/^fail .*interfacs/),
      expect.stringMatching(/^fail .*snap/),
    ]);
  });

  it("wants to know whose configuration it is", () => {
    const { status, stderr } = doctor("--config", "a.yaml");
    expect([status, stderr]).toEqual([2, "rejoin: say whose configuration it is: --agent or --collector\n"]);
  });

  it("tells a port that somebody has", async () => {
    const other = createSocket("udp4").bind(0, "127.0.0.1");
    await once(other, "listening");
    const at = `127.0.0.1:${other.address().port}`;
    const path = file("port.yaml", `listen: { udp: ["${at}", "192.0.2.77:4754"] }\nanyAgent: true\n`);
    const { status, about } = doctor("--collector", "--config", path);
    expect(status).toBe(1);
    expect(about("UDP port")).toEqual([
      `warn ${at} is taken: by one that runs already, or say another in listen.udp`,
      "fail 192.0.2.77:4754 is no address of this machine: `ip address` lists those it has",
    ]);
    other.close();
  });
});

const reason = needs("Linux", "root", "network namespaces", "ip", "ethtool", "koffi");
describe.skipIf(reason)(titled("rejoin doctor in a namespace that is broken on purpose", reason), () => {
  let folder: string;
  let network: Network;

  /** access - edge - core: an agent's host with two interfaces. */
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-doctor-"));
    network = new Network("access", "edge", "core");
    for (const [node, net] of [
      ["access", "10.6.0"],
      ["core", "10.7.0"],
    ] as const) {
      network.link(
        { node: "edge", name: `${node}0`, addresses: [`${net}.1/24`] },
        { node, name: `${node}1`, addresses: [`${net}.2/24`] },
      );
    }
  });
  afterAll(async () => {
    await network?.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs a doctor in `edge`, behind `before` as in `setpriv ... rejoin doctor`. */
  const doctor = (config: string, program: "agent" | "collector", before: readonly string[] = []) => {
    const path = join(folder, `${program}.yaml`);
    writeFileSync(path, config);
    const words = ["netns", "exec", network.namespace("edge"), ...before, process.execPath, REJOIN, "doctor"];
    return read(spawnSync("ip", [...words, `--${program}`, "--config", path], { cwd: folder, encoding: "utf8" }));
  };
  const AGENT = "capture: { interfaces: [access0] }\ncollector: 10.7.0.2\n";
  const COLLECTOR = "anyAgent: true\n";
  const without = (capability: string) => [
    "setpriv",
    "--bounding-set",
    `-${capability}`,
    "--inh-caps",
    `-${capability}`,
  ];

  it("finds nothing wrong where nothing is, but that copies of whole packets do not fit their way", () => {
    const { status, about, last } = doctor(AGENT, "agent");
    expect(about("way to collector")).toEqual([
      "warn packets of up to 1500 octets are captured, and a copy to 10.7.0.2 holds 1464: longer ones are cut; " +
        "give the way an MTU of 1536, or say fragment: true",
    ]);
    expect([status, last]).toEqual([0, expect.stringMatching(/^0 failures, 1 warning, /)]);
    network.ip("edge", "link", "set", "core0", "mtu", "1536");
    expect(doctor(AGENT, "agent").about("way to collector")).toEqual(["ok copies of 1500 octets go to 10.7.0.2"]);
  });

  it("1: no route to the collector", () => {
    const { status, about } = doctor(AGENT.replace("10.7.0.2", "10.99.0.2"), "agent");
    expect([status, about("way to collector")]).toEqual([
      1,
      ["fail there is no route to 10.99.0.2: ip route get 10.99.0.2"],
    ]);
  });

  it("2: CAP_NET_RAW is missing", () => {
    const { status, about } = doctor(AGENT, "agent", without("net_raw"));
    expect(status).toBe(1);
    expect(about("capabilities")).toEqual([expect.stringMatching(/^fail CAP_NET_RAW is missing, for capturing/)]);
    expect(about("AF_PACKET")).toEqual([expect.stringMatching(/^fail the kernel gives no packet socket \(EPERM\)/)]);
  });

  it("3: the monitored interface is down, and another is not there", () => {
    network.ip("edge", "link", "set", "access0", "down");
    const { status, about } = doctor(AGENT.replace("access0", "access0, eth9"), "agent");
    network.ip("edge", "link", "set", "access0", "up");
    expect(status).toBe(1);
    expect(about("interfaces")).toEqual([
      "warn access0 is down, or nothing is at its other end: ip link set access0 up",
      "fail there is no eth9; `ip link` lists those there are",
    ]);
  });

  it("4: strict reverse path filtering", () => {
    expect(doctor(COLLECTOR, "collector").about("rp_filter")).toEqual([expect.stringMatching(/^ok/)]);
    network.sysctl("edge", "net.ipv4.conf.all.rp_filter=1");
    const { about } = doctor(COLLECTOR, "collector");
    network.sysctl("edge", "net.ipv4.conf.all.rp_filter=0");
    expect(about("rp_filter")).toEqual([expect.stringMatching(/^warn .*\(strict on access0, core0\): sysctl -w /)]);
  });

  it("5: a receive buffer that the kernel does not give", () => {
    const { about } = doctor(`${COLLECTOR}listen: { receiveBufferMib: 1023 }\n`, "collector", without("net_admin"));
    expect(about("receive buffer")).toEqual([
      expect.stringMatching(/^warn the kernel queues \d+ octets .*: sysctl -w net\.core\.rmem_max=1072693248$/),
    ]);
  });

  it("6: no broker, and a disk that is too small for the outbox", () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    // What `ip netns exec` starts has mounts of its own, and takes them along.
    const mounted = ["sh", "-c", `mount -t tmpfs -o size=8m none ${disk} && exec "$@"`, "sh"];
    const sink = `sink: { kind: kafka, kafka: { brokers: ["127.0.0.1:29092"] } }\noutbox: { directory: ${disk}/outbox }\n`;
    const { status, about } = doctor(COLLECTOR + sink, "collector", mounted);
    expect([status, about("Kafka")]).toEqual([
      1,
      [expect.stringMatching(/^fail Kafka at 127\.0\.0\.1:29092 cannot be reached/)],
    ]);
    expect(about("outbox")).toEqual([
      expect.stringMatching(/^warn [78] MiB are free at .*, and outbox\.diskMib allows 4096/),
    ]);
  });

  it("7: nft is missing where the kernel is to copy", () => {
    const { status, about } = doctor(AGENT.replace("]", "], method: nft"), "agent", ["env", `PATH=${folder}`]);
    expect([status, about("nft")]).toEqual([
      1,
      ["fail nft is missing, for capture.method: nft: install nftables 1.0 or newer"],
    ]);
  });
});
