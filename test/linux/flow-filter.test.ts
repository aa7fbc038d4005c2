import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flowFilter } from "../../collectors/linux/flow-filter.ts";
import { parsePortRange } from "../../schema/configuration/port-range.ts";
import { type Exclusions, NO_EXCLUSIONS } from "../../src/encapsulate/exclusions.ts";
import { FlowSieve, SIEVE_BITS } from "../../src/encapsulate/flow-sieve.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { parseRange } from "../../src/wire/network.ts";
import { hex, pcapFile } from "../support/pcap.ts";
import { needs, titled } from "../support/requirements.ts";

const RUN_FILTER = fileURLToPath(new URL("run-filter.py", import.meta.url));
const SNAP = 262_144;

const reason = needs("python3", "tshark", "tcpdump");

/** A packet as tshark tells it. */
interface Told {
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  /** SYN, FIN or RST. */
  readonly isControl: boolean;
  readonly hasOption: boolean;
}

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-filter-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function filter(sieve: FlowSieve, exclusions: Exclusions = NO_EXCLUSIONS, bits: number = SIEVE_BITS): Uint8Array {
  const program = flowFilter({ link: "ethernet", exclusions, snap: SNAP, sieve, bits });
  if (program === null) throw new Error("the program is too long");
  return program;
}

/** What libpcap's machine makes of each packet of a file: true where it passes. */
function run(program: Uint8Array, capture: string): boolean[] {
  const file = join(folder, "program");
  writeFileSync(file, program);
  const output = execFileSync("python3", [RUN_FILTER, file, capture], { encoding: "utf8", maxBuffer: 1 << 28 });
  return output
    .trimEnd()
    .split("\n")
    .map((value) => Number(value) > 0);
}

/** The program that tcpdump makes of an expression. */
function compiled(expression: string): Uint8Array {
  const listing = execFileSync("tcpdump", ["-y", "EN10MB", "-ddd", expression], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [, ...lines] = listing.trimEnd().split("\n");
  const program = Buffer.alloc(lines.length * 8);
  lines.forEach((line, i) => {
    const [code = 0, yes = 0, no = 0, k = 0] = line.split(" ").map(Number);
    program.writeUInt16LE(code, i * 8);
    program.set([yes, no], i * 8 + 2);
    program.writeUInt32LE(k, i * 8 + 4);
  });
  return program;
}

/** What tshark sees in each packet of a file. */
function told(capture: string): Told[] {
  const fields = [
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags",
    "tcp.option_kind",
  ];
  const args = ["-r", capture, "-T", "fields", ...fields.flatMap((field) => ["-e", field])];
  const lines = execFileSync("tshark", args, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return lines
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [v4 = "", v6 = "", to4 = "", to6 = "", fromPort, toPort, flags, kinds = ""] = line.split("\t");
      return {
        from: v4 || v6,
        to: to4 || to6,
        fromPort: Number(fromPort),
        toPort: Number(toPort),
        isControl: (Number(flags) & 7) !== 0,
        hasOption: kinds.split(",").includes("30"),
      };
    });
}

/** A flow key as the selection has it. Which end stands first does not matter to a sieve. */
function keyOf({ from, to, fromPort, toPort }: Told): Uint32Array {
  const [a, b] = [from, to].map((text) => parseAddress(text)?.words ?? [0, 0, 0, 0]);
  return Uint32Array.of(...(a ?? []), ...(b ?? []), (fromPort << 16) | toPort);
}

const capture = (name: string): string => fileURLToPath(new URL(`../captures/${name}.pcap.gz`, import.meta.url));

describe.skipIf(reason)(titled("the kernel's filter, run by libpcap, against tshark", reason), () => {
  test.each(["nat/router1", "ipv6/router1", "strip-synack/router1-access", "plain-tcp/router1", "fastopen/router2"])(
    "%s: lets pass MPTCP, and SYNs, FINs and RSTs, and nothing else",
    (name) => {
      const packets = told(capture(name));
      expect(packets.length).toBeGreaterThan(100);
      const passed = run(filter(new FlowSieve(1)), capture(name));
      expect(passed).toEqual(packets.map(({ isControl, hasOption }) => isControl || hasOption));
    },
  );

  test.each(["strip-synack/router1-access", "mangle-single-bulk/router1", "http-many/router1"])(
    "%s: lets pass every packet of the flows that are selected",
    (name) => {
      const packets = told(capture(name));
      const sieve = new FlowSieve(7);
      const chosen = new Set<string>();
      const nameOf = ({ from, to, fromPort, toPort }: Told) => [`${from} ${fromPort}`, `${to} ${toPort}`].sort().join();
      for (const packet of packets) {
        if (chosen.has(nameOf(packet)) || packet.fromPort % 2 === 0) continue;
        chosen.add(nameOf(packet));
        sieve.add(keyOf(packet), 0);
      }
      const passed = run(filter(sieve), capture(name));
      const expected = packets.map((packet) => packet.isControl || packet.hasOption || chosen.has(nameOf(packet)));
      expect(packets.filter((_, i) => expected[i] && !passed[i])).toEqual([]);
      // With so few flows and 32,768 buckets hardly one has another's bucket.
      expect(passed).toEqual(expected);
    },
  );

  test("both programs, in TypeScript and in the kernel's language, find the same bucket, with any number of them", () => {
    const name = "http-many/router1";
    const packets = told(capture(name));
    for (const bits of [SIEVE_BITS, 11, 5]) {
      const sieve = new FlowSieve(bits);
      for (const packet of packets.filter(({ fromPort }, i) => fromPort > 0 && i % 37 === 0))
        sieve.add(keyOf(packet), 0);
      const buckets = sieve.buckets(bits);
      const expected = packets.map((packet) => {
        const bucket = sieve.bucketOf(keyOf(packet), 0) >>> (SIEVE_BITS - bits);
        if (packet.fromPort === 0) return false;
        return packet.isControl || packet.hasOption || ((buckets[bucket >>> 5] ?? 0) & (1 << (bucket & 31))) !== 0;
      });
      expect(run(filter(sieve, NO_EXCLUSIONS, bits), capture(name))).toEqual(expected);
    }
  });

  test.each([
    { ranges: ["10.10.1.0/24"], ports: [], expression: "net 10.10.1.0/24" },
    { ranges: ["10.20.1.2", "10.10.2.2/31"], ports: [], expression: "host 10.20.1.2 or net 10.10.2.2/31" },
    { ranges: [], ports: ["5001"], expression: "port 5001" },
    { ranges: [], ports: ["1-5000", "40000-65535"], expression: "portrange 1-5000 or portrange 40000-65535" },
    { ranges: ["0.0.0.0/0"], ports: [], expression: "ip" },
    { ranges: ["2001:db8:101::/48"], ports: [], expression: "net 2001:db8:101::/48" },
    { ranges: ["2001:db8:100::/41"], ports: ["80"], expression: "net 2001:db8:100::/41 or port 80" },
  ])("what tcpdump calls $expression is excluded", ({ ranges, ports, expression }) => {
    const exclusions: Exclusions = {
      ranges: ranges.map((text) => parseRange(text) ?? expect.fail(text)),
      ports: ports.map((text) => parsePortRange(text) ?? expect.fail(text)),
      pairs: [],
    };
    const excluded = compiled(expression);
    for (const name of ["http-many/router1", "ipv6/router1"]) {
      const before = run(filter(new FlowSieve(1)), capture(name));
      const outside = run(excluded, capture(name)).map((isInside) => !isInside);
      const passed = run(filter(new FlowSieve(1), exclusions), capture(name));
      expect(passed).toEqual(before.map((didPass, i) => didPass && outside[i]));
    }
  });

  test("a pair excludes what passes between its two ends, and nothing else of either", () => {
    const ends = [parseRange("10.10.1.2"), parseRange("10.20.1.2")] as const;
    const pairs = [[ends[0] ?? expect.fail(), ends[1] ?? expect.fail()] as const];
    const name = "join-client/router2";
    const between = run(compiled("host 10.10.1.2 and host 10.20.1.2"), capture(name));
    const before = run(filter(new FlowSieve(1)), capture(name));
    const passed = run(filter(new FlowSieve(1), { ...NO_EXCLUSIONS, pairs }), capture(name));
    expect(passed).toEqual(before.map((didPass, i) => didPass && !between[i]));
  });

  test("what is no TCP, is fragmented or tagged thrice stays; what cannot be judged passes", () => {
    const options = "020405b4 1e080001 00000000".replaceAll(" ", "");
    const tcp = (kinds: string, flags = "10") =>
      `9c4001bb0000000100000001${(5 + kinds.length / 8).toString(16)}0${flags}00ff00000000${kinds}`;
    const ip = (segment: string, fragment = "0000", protocol = "06") =>
      `4500${(20 + segment.length / 2).toString(16).padStart(4, "0")}0000${fragment}40${protocol}00000a0100010a020002`;
    const ip6 = (segment: string, next: string) =>
      `60000000${(segment.length / 2).toString(16).padStart(4, "0")}${next}40${"20010db8".padEnd(32, "0")}${"20010db9".padEnd(32, "0")}`;
    const frame = (rest: string, tags = "") => hex(`020000000001020000000002${tags}${rest}`);
    const plain = ip(tcp(options)) + tcp(options);
    const cases: readonly (readonly [string, Uint8Array<ArrayBuffer>, boolean])[] = [
      ["an MPTCP option behind another", frame(`0800${plain}`), true],
      ["one tag", frame(`0800${plain}`, "81000007"), true],
      ["two tags", frame(`0800${plain}`, "88a8000781000008"), true],
      ["three tags", frame(`0800${plain}`, "88a80007810000088100000a"), false],
      ["the first fragment", frame(`0800${ip(tcp(options), "2000")}${tcp(options)}`), false],
      ["another fragment", frame(`0800${ip(tcp(options), "0010")}${tcp(options)}`), false],
      ["UDP", frame(`0800${ip(tcp(options), "0000", "11")}${tcp(options)}`), false],
      ["ARP", frame(`0806${plain}`), false],
      ["IPv6", frame(`86dd${ip6(tcp(options), "06")}${tcp(options)}`), true],
      ["IPv6 without the option", frame(`86dd${ip6(tcp(""), "06")}${tcp("")}`), false],
      ["IPv6 with a destination options header", frame(`86dd${ip6(tcp(""), "3c")}0600000000000000${tcp("")}`), true],
      ["ICMPv6", frame(`86dd${ip6(tcp(options), "3a")}${tcp(options)}`), false],
      ["a plain RST", frame(`0800${ip(tcp("", "04"))}${tcp("", "04")}`), true],
      ["a plain segment", frame(`0800${ip(tcp(""))}${tcp("")}`), false],
      [
        "the end of options before the option",
        frame(`0800${ip(tcp(`00010101${options}`))}${tcp(`00010101${options}`)}`),
        false,
      ],
      ["an option of no length", frame(`0800${ip(tcp("050001011e080001"))}${tcp("050001011e080001")}`), false],
      ["more NOPs than are looked at", frame(`0800${ip(tcp("01".repeat(16)))}${tcp("01".repeat(16))}`), true],
      ["as many NOPs as are looked at", frame(`0800${ip(tcp("01".repeat(8)))}${tcp("01".repeat(8))}`), false],
      ["cut inside its TCP header", frame(`0800${plain}`).subarray(0, 50), false],
    ];
    const file = join(folder, "made.pcap");
    writeFileSync(file, pcapFile(cases.map(([, octets]) => ({ atMicros: 1e15, wire: octets.length, octets }))));
    const passed = run(filter(new FlowSieve(1)), file);
    expect(cases.map(([what], i) => [what, passed[i]])).toEqual(cases.map(([what, , passes]) => [what, passes]));
  });

  test("fits the kernel's bound with every bucket but a few taken, and with none to be found", () => {
    const sieve = new FlowSieve(3);
    for (let n = 0; n < 300_000; n++) sieve.add(Uint32Array.of(n, 0, 0, 0, 7, 0, 0, 0, n * 77), 0);
    const program = filter(sieve);
    expect(program.length / 8).toBeGreaterThan(3000);
    const passed = run(program, capture("plain-tcp/router1"));
    expect(passed.every(Boolean)).toBe(true);
    expect(run(filter(new FlowSieve(3), NO_EXCLUSIONS, 0), capture("plain-tcp/router1")).every(Boolean)).toBe(true);
  });
});
