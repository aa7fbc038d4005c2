import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { addOptions, configurationOf } from "../../collectors/agent/options.ts";
import { agentConfig } from "../../collectors/agent/setup.ts";
import { agentConfiguration, agentFaults } from "../../schema/configuration/agent.ts";

const parsed = (line: string) =>
  configurationOf(addOptions(new Command()).exitOverride().parse(line.split(" "), { from: "user" })).values;

describe("options as configuration", () => {
  test("where from and where to: every default beside them", () => {
    const defaults = agentConfiguration.parse({});
    expect(parsed("-i eth0 -c collector")).toEqual({
      ...defaults,
      capture: { ...defaults.capture, interfaces: ["eth0"] },
      collector: "collector",
    });
  });

  test("each of them", () => {
    const line =
      "-i a b -c 192.0.2.9 -e gre -k 0x10 -s 200 --fragment --direction both --promiscuous --capture ring " +
      "--max-flows 7 --name n";
    expect(parsed(line)).toEqual({
      name: "n",
      capture: { interfaces: ["a", "b"], direction: "both", promiscuous: true, method: "ring", kernelFilter: true },
      exclude: { addresses: [], ports: [], interfaces: [] },
      mirror: { name: "rejoin", device: "tap", idleSeconds: 300 },
      replay: { files: [], speed: 1 },
      collector: "192.0.2.9",
      collectors: [],
      encapsulation: "gre",
      key: 16,
      snap: 200,
      headersOnly: false,
      fragment: true,
      dscp: null,
      sample: 1,
      limits: { mbitPerSecond: null, processorPercent: null },
      maxFlows: 7,
      ownCountsSeconds: 60,
      user: null,
      status: { socket: null },
      admin: { listen: null, token: null },
      log: { level: "info", reportSeconds: 60 },
    });
  });

  test("files, and how fast they are replayed", () => {
    expect(parsed("-r a b -c c --speed max").replay).toEqual({ files: ["a", "b"], speed: "max" });
  });

  test("files instead of what the configuration has the kernel copy", () => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-options-"));
    const file = join(folder, "agent.yaml");
    writeFileSync(file, "collector: c\ncapture: { interfaces: [eth0], method: nft, direction: in }\n");
    expect(parsed(`-r a --config ${file}`)).toMatchObject({ capture: { interfaces: [] }, replay: { files: ["a"] } });
    expect(() => parsed(`--speed 2 --config ${file}`)).toThrow(/^--speed has no effect/);
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["-i a -c c --speed 2", "--speed has no effect: packets come from interfaces; leave it out"],
    ["-r a -c c --direction in", "--direction has no effect: files are replayed; leave it out"],
    ["-r a -c c --promiscuous", "--promiscuous has no effect: files are replayed; leave it out"],
    ["-r a -c c --capture ring", "--capture has no effect: files are replayed; leave it out"],
    [
      "-r a -c c --capture nft",
      "--capture: capture.method: the kernel copies what passes interfaces, and files are replayed; leave this out",
    ],
  ])("%s is refused: it would be without effect", (line, message) => expect(() => parsed(line)).toThrow(message));

  test.each([
    ["-i a -r b -c c", /^--interface and --replay exclude each other/],
    [
      "-c c",
      /^capture.interfaces: say where packets come from: interfaces here \(--interface NAME\), or replay.files \(--replay FILE\)$/,
    ],
    ["-i a", /^collector: say where the copies go, here or in collectors \(--collector HOST\)$/],
    ["-i a -c h:0", /^--collector: collector: ports go from 1 to 65535; write HOST or HOST:PORT/],
  ])("%s is refused", (line, message) => expect(() => parsed(line)).toThrow(message));
});

test("several interfaces are captured as packets arrive, each once; one both ways", () => {
  expect(agentConfig(parsed("-i a b a -c c")).input).toMatchObject({ names: ["a", "b"], direction: "in" });
  expect(agentConfig(parsed("-i a -c c")).input).toMatchObject({ names: ["a"], direction: "both" });
  expect(agentConfig(parsed("-r a.pcap --speed max -c c")).input).toMatchObject({ files: ["a.pcap"], speed: Infinity });
});

describe("what a kernel cannot do with the copies that it sends itself", () => {
  const faultsOf = (keys: object) =>
    agentFaults(agentConfiguration.parse({ collector: "192.0.2.9", ...keys })).map(({ path }) => path.join("."));
  const capture = { interfaces: ["eth0"], method: "nft" };
  const asked = { snap: 200, headersOnly: true, dscp: 8, sample: 0.5, limits: { mbitPerSecond: 1 }, key: 2 ** 24 };

  test("is refused, each by its key; an agent that reads the copies can", () => {
    const refused = ["snap", "headersOnly", "dscp", "sample", "limits.mbitPerSecond", "key"];
    expect(faultsOf({ capture, mirror: { device: "vxlan" }, ...asked })).toEqual(refused);
    expect(faultsOf({ capture, mirror: { device: "gre" }, ...asked })).toEqual(refused.slice(0, -1));
    expect(faultsOf({ capture, ...asked })).toEqual([]);
    expect(faultsOf({ capture: { ...capture, promiscuous: true } })).toEqual(["capture.promiscuous"]);
  });

  test("a collector of VXLAN has the port of VXLAN", () => {
    const ports = (device: string) =>
      agentConfig(agentConfiguration.parse({ collector: "192.0.2.9", capture, mirror: { device } })).collectors[0]
        ?.port;
    expect(["tap", "vxlan", "gre"].map(ports)).toEqual([4754, 4789, null]);
  });
});
