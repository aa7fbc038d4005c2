import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { nftRuleset } from "../../../collectors/agent/mirror/nft-rules.ts";
import { type MirrorSettings, mirrorPlan } from "../../../collectors/agent/mirror/plan.ts";
import { CLEANING_SCRIPT, mirrorScript } from "../../../collectors/agent/mirror/script.ts";
import { tcCommands } from "../../../collectors/agent/mirror/tc-rules.ts";
import { type Exclusions, NO_EXCLUSIONS } from "../../../src/encapsulate/exclusions.ts";
import { type AddressRange, parseRange } from "../../../src/wire/network.ts";

const SETTINGS: MirrorSettings = {
  name: "rejoin",
  by: "nft",
  interfaces: ["eth0", "eth1.7"],
  direction: "in",
  device: "vxlan",
  idleSeconds: 300,
};

const planOf = (
  settings: Partial<MirrorSettings>,
  {
    address = "192.0.2.9",
    key = null,
    exclusions = NO_EXCLUSIONS,
  }: { address?: string; key?: number | null; exclusions?: Exclusions } = {},
) => {
  const family = address.includes(":") ? 6 : 4;
  return mirrorPlan({ ...SETTINGS, ...settings }, { exclusions, maxFlows: 1000, key }, { address, family, port: 4789 });
};

const range = (text: string): AddressRange => parseRange(text) ?? expect.fail(text);

describe("rules", () => {
  test("of nftables: both directions of a flow are remembered, for each IP version, and who is excluded is left", () => {
    const exclusions = {
      ranges: [range("192.0.2.0/24"), range("2001:db8::/32"), range("198.51.100.1")],
      ports: [
        { first: 22, last: 22 },
        { first: 8000, last: 8999 },
      ],
      pairs: [],
    };
    const rules = nftRuleset(planOf({ direction: "both" }, { exclusions }));
    expect(rules).toContain(
      "update @flows4 { ip saddr . tcp sport . ip daddr . tcp dport } update @flows4 { ip daddr . tcp dport . ip saddr . tcp sport } goto copy",
    );
    expect(rules).toContain(
      "update @flows6 { ip6 saddr . tcp sport . ip6 daddr . tcp dport } update @flows6 { ip6 daddr . tcp dport . ip6 saddr . tcp sport } goto copy",
    );
    expect(rules).toContain("elements = { 192.0.2.0/24, 198.51.100.1/32 }");
    expect(rules).toContain("elements = { 2001:db8::/32 }");
    expect(rules).toContain("elements = { 22, 8000-8999 }");
    expect(rules).toContain("timeout 300s\n\t\tsize 2000\n");
    for (const device of ["eth0", "eth1.7"]) {
      expect(rules).toContain(`hook ingress device "${device}"`);
      expect(rules).toContain(`hook egress device "${device}"`);
    }
  });

  test("what only arrives goes to the tunnel at once; a copy of what leaves has to lose its route before", () => {
    expect(nftRuleset(planOf({ direction: "in" }))).toContain('dup to "rejoin"\n');
    expect(nftRuleset(planOf({ direction: "in" }))).not.toMatch(/egress|rejoin-/);
    expect(nftRuleset(planOf({ direction: "both" }))).toContain('dup to "rejoin-in"\n');
    expect(nftRuleset(planOf({ direction: "both", device: "tap" }))).toContain('dup to "rejoin"\n');
    expect(tcCommands(planOf({ direction: "both", by: "tc" }))).toContain("egress mirror dev rejoin-in continue");
  });

  test("of tc let the filters of others see each packet", () => {
    const commands = tcCommands(planOf({ by: "tc" }));
    const filters = commands.split("\n").filter((line) => line.includes("egress mirror"));
    expect(filters).toHaveLength(2);
    for (const filter of filters) expect(filter).toMatch(/pref 3030 .* continue$/);
  });

  test("of tc have a bound of exclusions", () => {
    const ranges = Array.from({ length: 600 }, (_, n) => range(`2001:db8:${n.toString(16)}::/48`));
    expect(() => tcCommands(planOf({ by: "tc" }, { exclusions: { ranges, ports: [], pairs: [] } }))).toThrow(
      /no room for so many exclusions; join some, or mirror with nft/,
    );
  });

  test("are not written for a name that a shell would not take as it is", () => {
    expect(() => planOf({ interfaces: ["eth0", "a;b"] })).toThrow(/interface with the name a;b; rename it/);
  });
});

describe("a script", () => {
  const ways = (["nft", "tc"] as const).flatMap((by) =>
    (["tap", "vxlan", "gre"] as const).flatMap((device) =>
      (["in", "both"] as const).map((direction) => ({ by, device, direction })),
    ),
  );
  test.each(ways)("of $by to $device, $direction: sh can read it", (way) => {
    for (const address of ["192.0.2.9", "2001:db8::9"]) {
      expect(() => execFileSync("sh", ["-n"], { input: mirrorScript(planOf(way, { address })) })).not.toThrow();
    }
  });

  test("that cleans up: sh can read it", () => {
    expect(() => execFileSync("sh", ["-n"], { input: CLEANING_SCRIPT })).not.toThrow();
  });

  test("says what it is to be called with", () => {
    const run = () => execFileSync("sh", ["-s", "begin"], { input: mirrorScript(planOf({})), stdio: "pipe" });
    expect(run).toThrow(/usage: sh .* start \| check \| stop \| counts/);
  });

  test.each([
    ["192.0.2.9", null, "type vxlan id 1 remote 192.0.2.9 dstport 4789 nolearning"],
    ["2001:db8::9", 7, "type vxlan id 7 remote 2001:db8::9 dstport 4789 nolearning"],
  ])("makes a VXLAN device: to %s with key %s", (address, key, device) => {
    expect(mirrorScript(planOf({}, { address, key }))).toContain(device);
  });

  test("makes a GRE device by which the kernel tells no host that its packets are too long", () => {
    const ipv4 = mirrorScript(planOf({ device: "gre" }, { key: 7 }));
    expect(ipv4).toContain("type gretap remote 192.0.2.9 okey 7 oseq nopmtudisc ignore-df");
    expect(ipv4).toContain("in IP fragments");
    // Over IPv6 it cannot be told not to.
    const ipv6 = mirrorScript(planOf({ device: "gre" }, { address: "2001:db8::9" }));
    expect(ipv6).toContain("type ip6gretap remote 2001:db8::9 oseq encaplimit none");
    expect(ipv6).toMatch(/do not fit into GRE over IPv6, and the kernel would tell their hosts so.*return 1/);
  });
});
