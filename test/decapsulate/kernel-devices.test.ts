import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { byRejoin, byTshark } from "../judge/innermost.ts";
import { Network } from "../lab/network.ts";
import { PacketCount } from "../lab/packet-count.ts";
import { observe } from "../scenario/observed.ts";
import { essence, framesOf, onlyEncapsulated } from "../support/encapsulated.ts";
import { pcapFile } from "../support/pcap.ts";
import { needs, type Requirement, titled } from "../support/requirements.ts";

const INJECT = fileURLToPath(new URL("../agent/inject.py", import.meta.url));

/** Linux's own tunnel devices of Ethernet, as `ip link add` makes them over IPv4 and IPv6. */
const DEVICES: readonly { name: string; needs: Requirement; words: (outer: 4 | 6) => string }[] = [
  { name: "VXLAN", needs: "VXLAN devices", words: () => "vxlan id 77 dstport 4789 nolearning" },
  { name: "VXLAN at Linux's port", needs: "VXLAN devices", words: () => "vxlan id 77 dstport 8472 nolearning" },
  { name: "Geneve", needs: "Geneve devices", words: () => "geneve id 77" },
  { name: "GRE", needs: "GRE devices", words: (outer) => `${outer === 4 ? "" : "ip6"}gretap key 7 seq csum` },
  {
    name: "ERSPAN II",
    needs: "GRE devices",
    words: (outer) => `${outer === 4 ? "" : "ip6"}erspan seq key 101 erspan_ver 1 erspan 1`,
  },
  {
    name: "ERSPAN III",
    needs: "GRE devices",
    words: (outer) => `${outer === 4 ? "" : "ip6"}erspan seq key 101 erspan_ver 2 erspan_dir ingress erspan_hwid 4`,
  },
];

/**
 * What carries copies; over the narrow way those of whole packets go in fragments, which over IPv6 Linux's devices do not
 * send.
 */
const WAYS = [
  { outer: 4, mtu: 1700 },
  { outer: 4, mtu: 1300 },
  { outer: 6, mtu: 1700 },
] as const;

const CELLS = DEVICES.flatMap((device) => WAYS.map((way) => ({ ...device, ...way })));

const lab = needs("root", "network namespaces", "ip", "ethtool", "python3", "tcpdump", "tshark");

describe("what Linux's tunnel devices send", () => {
  const inner = "outer4-inner6.pcap.gz";
  let folder: string;
  let network: Network;
  let frames: Uint8Array[];

  beforeAll(async () => {
    if (lab !== undefined) return;
    folder = mkdtempSync(join(tmpdir(), "rejoin-devices-"));
    network = new Network("router", "collector");
    network.link(
      { node: "router", name: "out", addresses: ["192.0.2.1/24", "2001:db8:1::1/64"] },
      { node: "collector", name: "in", addresses: ["192.0.2.9/24", "2001:db8:1::9/64"] },
    );
    const atMicros = Date.now() * 1000;
    frames = (await framesOf(inner)).filter(({ number }) => number === 0).map(({ frame }) => frame);
    writeFileSync(
      join(folder, "plain.pcap"),
      pcapFile(frames.map((octets, n) => ({ atMicros: atMicros + n, octets, wire: octets.length }))),
    );
  });
  afterAll(async () => {
    await network?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  /** A recording of what arrives when a device is given the frames. */
  async function sent(words: string, outer: 4 | 6, mtu: number): Promise<PacketCount> {
    for (const [node, name] of [
      ["router", "out"],
      ["collector", "in"],
    ] as const)
      network.ip(node, "link", "set", name, "mtu", `${mtu}`);
    const [local, remote] = outer === 4 ? ["192.0.2.1", "192.0.2.9"] : ["2001:db8:1::1", "2001:db8:1::9"];
    network.ip("router", "link", "add", "mirror", "type", ...words.split(" "), "local", local, "remote", remote);
    try {
      network.sysctl("router", "net.ipv6.conf.mirror.disable_ipv6=1");
      network.ip("router", "link", "set", "mirror", "up", "mtu", "1500");
      const filter = `(ip or ip6) and src host ${local} and not icmp and not icmp6`;
      const count = new PacketCount(network, "collector", "in", filter, join(folder, "copies.pcap"));
      await count.started();
      network.exec("router", "python3", INJECT, join(folder, "plain.pcap"), "mirror");
      const copies = () => byRejoin(framesIn(count.file)).filter((one) => one !== null).length;
      await vi.waitUntil(() => copies() >= frames.length, { timeout: 10_000 });
      await count.finish();
      return count;
    } finally {
      network.ip("router", "link", "del", "mirror");
    }
  }

  for (const { name, words, outer, mtu, ...device } of CELLS) {
    const reason = lab ?? needs(device.needs);
    it.skipIf(reason)(titled(`${name} over IPv${outer}, MTU ${mtu}: as tshark reads it`, reason), async () => {
      const { file } = await sent(words(outer), outer, mtu);
      const copies = framesIn(file);
      if (mtu > 1500) expect(copies).toHaveLength(frames.length);
      else expect(copies.length).toBeGreaterThan(frames.length);
      const found = byRejoin(copies);
      expect(found).toEqual(byTshark(file));
      expect(found.filter((one) => one !== null)).toEqual(byRejoin(frames));
      const { records } = await observe([file]);
      expect(essence(records)).toEqual(essence((await onlyEncapsulated(inner, 0)).records));
    });
  }
});

/** The frames of a recording, those that are written already. */
function framesIn(path: string): Uint8Array[] {
  const file = readFileSync(path);
  const found: Uint8Array[] = [];
  for (let at = 24; at + 16 <= file.length; at += 16 + file.readUInt32LE(at + 8)) {
    found.push(file.subarray(at + 16, at + 16 + file.readUInt32LE(at + 8)));
  }
  return found;
}
