import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { RewrittenRecord, SessionRecord } from "../../schema/session-record.ts";
import { captureFile } from "../hostile/capture.ts";
import { CASES } from "../hostile/cases.ts";
import { observe } from "./observed.ts";
import { scenarioPath, viewFiles } from "./truth.ts";

/** What stands in the records of a scenario that was captured on both sides of its routers, without times. */
async function rewritten(scenario: string): Promise<Omit<RewrittenRecord, "first">[][]> {
  const { records } = await observe(viewFiles(scenario, "both"));
  return records.map(({ mptcp }) => mptcp.rewritten?.map(({ first: _, ...rest }) => rest) ?? []);
}

const OUT: [string, string] = ["router1-access", "router1"];
const BACK: [string, string] = ["router1", "router1-access"];

/** Adds up the IP header's checksum anew, as a router does that writes into it. */
function sealIpv4(octets: Uint8Array, at: number): void {
  octets.fill(0, at + 10, at + 12);
  let sum = 0;
  for (let n = 0; n < 20; n += 2) sum += ((octets[at + n] ?? 0) << 8) | (octets[at + n + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  octets[at + 10] = (~sum >> 8) & 0xff;
  octets[at + 11] = ~sum & 0xff;
}

/** Overwrites the MPTCP options of the TCP header at `tcp` with NOPs; says whether there was one. */
function strip(octets: Uint8Array, tcp: number): boolean {
  const end = tcp + ((octets[tcp + 12] ?? 0) >> 4) * 4;
  let found = false;
  for (let at = tcp + 20; at < end; ) {
    const kind = octets[at];
    const length = kind === 1 ? 1 : (octets[at + 1] ?? 0);
    if (kind === 0 || length === 0) break;
    if (kind === 30) octets.fill(1, at, at + length);
    found ||= kind === 30;
    at += length;
  }
  return found;
}

describe("packets rewritten between two agents", () => {
  // What the routers did is in `about` of each truth; how many packets, counted with tshark in the two files.
  it.each<[string, Omit<RewrittenRecord, "first">[]]>([
    ["strip-syn", [{ kind: "option-stripped", subflow: 0, side: "initiator", between: OUT, packets: 1 }]],
    ["strip-synack", [{ kind: "option-stripped", subflow: 0, side: "responder", between: BACK, packets: 1 }]],
    ["strip-data", [{ kind: "option-stripped", subflow: 0, side: "responder", between: BACK, packets: 47 }]],
    [
      "strip-join",
      [{ kind: "option-stripped", subflow: 1, side: "initiator", between: ["router2-access", "router2"], packets: 1 }],
    ],
    ["mangle-single", [{ kind: "payload", subflow: 0, side: "initiator", between: OUT, packets: 1 }]],
    ["nat", []],
  ])("%s: what the routers did", async (scenario, told) => {
    expect(await rewritten(scenario)).toEqual([told]);
  });

  it.each([-1500, -500, -20, 8, 100, 1500])(
    "payload changed in a short session, clocks %i ms apart",
    async (apartMs) => {
      const attack = CASES.find(({ name }) => name === "payload-rewritten");
      const folder = mkdtempSync(join(tmpdir(), "rejoin-clocks-"));
      try {
        const files = (attack?.agents() ?? []).map((packets, n) => {
          const path = join(folder, `${n}.pcap`);
          const apart = n === 0 ? 0 : apartMs * 1000;
          writeFileSync(path, captureFile(packets.map((one) => ({ ...one, atMicros: one.atMicros + apart }))));
          return path;
        });
        const { records, totals } = await observe(files);
        const told = records.map(({ mptcp }) => mptcp.rewritten?.map(({ kind, packets }) => [kind, packets]));
        const both = ["payload", 2];
        expect(told).toEqual([[both, both]]);
        expect(totals.shed).toEqual({});
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it("mangle-single: the octets before and behind", async () => {
    const { records } = await observe(viewFiles("mangle-single", "both"));
    const { before, after } = records[0]?.mptcp.rewritten?.[0]?.first ?? {};
    expect(Buffer.from(before ?? "", "hex").toString()).toMatch(/^s0 mptcp-lab payload/);
    expect(Buffer.from(after ?? "", "hex").toString()).toMatch(/^S0 MPTCP-LAB PAYLOAD/);
  });

  it("one file's copies with other octets, marks and without options: each is told, and nothing else changes", async () => {
    const files = [scenarioPath("nat", "router1-access.pcap.gz"), scenarioPath("nat", "router1.pcap.gz")];
    const changed = new Map<string, number>();
    const count = (counts: Map<string, number>, what: string, by = 1) => counts.set(what, (counts.get(what) ?? 0) + by);
    /** Identification and sequence number: a queue of the router may have dropped a packet between the two files. */
    const identity = (octets: Uint8Array, ip: number): string =>
      Buffer.from([...octets.subarray(ip + 4, ip + 6), ...octets.subarray(ip + 24, ip + 28)]).toString("hex");
    const inFirst = new Set<string>();
    const plain = await observe(files, {}, (vector, take) => {
      for (let i = 0; i < vector.length; i++) {
        if (vector.source[i] === 0) inFirst.add(identity(vector.block, (vector.at[i] ?? 0) + 14));
      }
      take(vector);
    });
    let data = 0;
    const found = await observe(files, {}, (vector, take) => {
      const octets = Uint8Array.from(vector.block);
      for (let i = 0; i < vector.length; i++) {
        const ip = (vector.at[i] ?? 0) + 14;
        const tcp = ip + 20;
        const payload = tcp + ((octets[tcp + 12] ?? 0) >> 4) * 4;
        const length = ip + (((octets[ip + 2] ?? 0) << 8) | (octets[ip + 3] ?? 0)) - payload;
        if (vector.source[i] !== 1 || length < 100 || !inFirst.has(identity(octets, ip))) continue;
        const isOut = octets[ip + 13] === 10;
        const side = isOut ? "initiator" : "responder";
        data++;
        if (data % 10 === 1) {
          octets[payload + 40] = (octets[payload + 40] ?? 0) ^ 0xff;
          count(changed, `payload ${side}`);
        } else if (data % 10 === 4) {
          octets[ip + 1] = 0xb8;
          sealIpv4(octets, ip);
          count(changed, `dscp ${side}`);
          // On its way to the client a packet comes by this file first.
        } else if (data % 10 === 7 && strip(octets, tcp))
          count(changed, `option-${isOut ? "stripped" : "added"} ${side}`);
      }
      const [length, block] = [vector.length, vector.block];
      vector.use(octets);
      vector.length = length;
      take(vector);
      vector.use(block);
      vector.length = length;
    });
    expect(plain.records[0]?.mptcp.rewritten).toEqual([]);
    const told = new Map<string, number>();
    for (const { kind, side, packets, between } of found.records[0]?.mptcp.rewritten ?? []) {
      count(told, `${kind} ${side}`, packets);
      expect(between).toEqual(side === "initiator" ? OUT : BACK);
    }
    expect(told).toEqual(changed);
    expect(changed.size).toBe(6);
    const counts = ({ mptcp, network }: SessionRecord) => [network, mptcp.subflows.map((one) => one.mirror_duplicates)];
    expect(found.records.map(counts)).toEqual(plain.records.map(counts));
  });
});
