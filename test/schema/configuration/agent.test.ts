import { describe, expect, it } from "vitest";
import { agentConfiguration, agentFaults } from "../../../schema/configuration/agent.ts";

const faultsOf = (written: object) =>
  agentFaults(agentConfiguration.parse({ collector: "192.0.2.9", ...written })).map(({ path }) => path.join("."));

describe("what a kernel that sends the copies itself knows nothing of", () => {
  const capture = { interfaces: ["eth0"], method: "nft" };
  const unknown = {
    headersOnly: true,
    snap: 200,
    encapsulation: "gre",
    fragment: true,
    dscp: 8,
    sample: 0.5,
    limits: { mbitPerSecond: 1, processorPercent: 50 },
  };
  const keys = [
    ...["snap", "headersOnly", "encapsulation", "fragment", "dscp", "sample"],
    ...["limits.mbitPerSecond", "limits.processorPercent"],
  ];

  it.each(["vxlan", "gre"])("is refused with mirror.device %s, and not with a TAP", (device) => {
    expect(faultsOf({ capture, mirror: { device }, ...unknown })).toEqual(keys);
    expect(faultsOf({ capture, mirror: { device } })).toEqual([]);
    expect(faultsOf({ capture, mirror: { device: "tap" }, ...unknown })).toEqual([]);
  });
});

it("no more than 64 addresses and 64 ports are excluded", () => {
  const excluded = (count: number) => ({
    addresses: Array.from({ length: count }, (_, n) => `192.0.2.${n}`),
    ports: Array.from({ length: count }, (_, n) => n),
  });
  const refused = (count: number) =>
    agentConfiguration.safeParse({ exclude: excluded(count) }).error?.issues.map(({ path }) => path.join("."));
  expect([refused(64), refused(65)]).toEqual([undefined, ["exclude.addresses", "exclude.ports"]]);
});

it.each(["nft", "tc"])("a replay by rules of the kernel is refused: %s", (method) => {
  const replay = { files: ["a.pcap"] };
  expect(faultsOf({ capture: { method }, replay })).toEqual(["capture.method"]);
  expect(faultsOf({ capture: { method: "ring" }, replay })).toEqual([]);
});
