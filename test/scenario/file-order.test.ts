import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { REMEMBERED_OCTETS } from "../../src/reassembly/octet-memory.ts";
import { PacketVector } from "../../src/vector.ts";
import { needs, titled } from "../support/requirements.ts";
import { observe } from "./observed.ts";
import { routerFiles, scenarioPath, trueSessions } from "./truth.ts";

const SCENARIOS = ["join-client", "ipv6", "nat", "http-many", "fastclose-server"] as const;

const folder = mkdtempSync(join(tmpdir(), "rejoin-scenario-"));
afterAll(() => rmSync(folder, { recursive: true }));

const idsByClient = (records: readonly SessionRecord[]): Record<string, string> =>
  Object.fromEntries(records.map(({ source, mptcp }) => [`${source.ip} ${source.port}`, mptcp.session.id]));

/** A record without what depends on which files there were: who copied, and second copies. */
const withoutAgents = (records: readonly SessionRecord[]): unknown =>
  records.map((record) => ({
    ...record,
    mptcp: {
      ...record.mptcp,
      subflows: record.mptcp.subflows.map((subflow) => ({ ...subflow, agents: [], mirror_duplicates: 0 })),
    },
  }));

/**
 * The session itself, without counts of packets and the time of the last: a host may send packets that are alike in all
 * things (an acknowledgment or RST without an IP identification), and which of two files one is in decides whether it is
 * a second copy.
 */
const essence = (records: readonly SessionRecord[]): unknown =>
  records.map(({ mptcp }) => ({
    ...mptcp,
    subflows: mptcp.subflows.map(({ source, destination, join, close, kind, start }) => ({
      ends: [source.ip, source.port, destination.ip, destination.port],
      ...{ join, close, kind, start },
    })),
  }));

/** Octets of a pcap file, cut into its header and its records. */
function recordsOf(path: string): { header: Buffer; packets: Buffer[] } {
  const file = gunzipSync(readFileSync(path));
  const packets: Buffer[] = [];
  for (let at = 24; at < file.length; at += 16 + file.readUInt32LE(at + 8)) {
    packets.push(file.subarray(at, at + 16 + file.readUInt32LE(at + 8)));
  }
  return { header: file.subarray(0, 24), packets };
}

describe("both sides of a router that translates addresses", () => {
  it.each([
    ["router1", "router2", "router2-access"],
    ["router2-access", "router2", "router1"],
  ])("%s, %s, %s: one session of two subflows, each packet counted once", async (...names) => {
    const { records } = await observe(names.map((name) => scenarioPath("nat", `${name}.pcap.gz`)));
    const [server] = (await observe(routerFiles("nat"))).records;
    expect(records).toHaveLength(1);
    expect(records[0]?.mptcp.session.id).toBe(server?.mptcp.session.id);
    // router1.pcap.gz and router2-access.pcap.gz: what the client sent and got.
    expect(records[0]?.network.packets).toBe(3736 + 2891);
    expect(records[0]?.mptcp.stream).toEqual(server?.mptcp.stream);
    const ends = records[0]?.mptcp.subflows.map(({ source, translated = [] }) => [
      source,
      ...translated.map((one) => one.source),
    ]);
    expect(ends?.map((all) => all.map(({ ip, port }) => `${ip} ${port}`))).toEqual([
      ["10.10.1.2 41539"],
      ["10.10.2.2 33095", "10.20.2.1 17160"],
    ]);
  });
});

describe("the same packets in other vectors", () => {
  it.each([1, 7])(
    "remove-addr: vectors of %i give equal records, and all that came again is compared",
    async (most) => {
      const files = routerFiles("remove-addr");
      const options = { bounds: { rememberedOctets: REMEMBERED_OCTETS } };
      const whole = await observe(files, options);
      const part = new PacketVector();
      const parts = await observe(files, options, (vector, take) => {
        for (let from = 0; from < vector.length; from += most) {
          part.use(vector.block);
          for (let i = from; i < Math.min(from + most, vector.length); i++) {
            const { at, captured, wire, atMicros, linkType, source } = vector;
            part.add(at[i] ?? 0, captured[i] ?? 0, wire[i] ?? 0, atMicros[i] ?? 0, linkType[i] ?? 0, source[i] ?? 0);
          }
          take(part);
        }
      });
      expect(parts.records).toEqual(whole.records);
      // Some 1.5 MB came again, much of it thousands of segments later.
      const sent = whole.records.map(({ mptcp }) => mptcp.stream.initiator);
      expect(sent.some(({ reinjected_octets = 0 }) => reinjected_octets > 100_000)).toBe(true);
      expect(sent.map(({ not_compared_octets }) => not_compared_octets)).toEqual(sent.map(() => 0));
    },
  );
});

describe("the same packets in other files", () => {
  it.each(SCENARIOS)("%s: files in either order give equal records", async (scenario) => {
    const [a, b] = routerFiles(scenario);
    const forward = await observe([a, b]);
    const backward = await observe([b, a]);
    expect(backward.records).toEqual(forward.records);
    expect(backward.totals).toEqual(forward.totals);
  });

  it.each(SCENARIOS)(
    "%s: one file, split in four, or with every packet twice gives equal records",
    async (scenario) => {
      const files = routerFiles(scenario).map(recordsOf);
      const header = files[0]?.header ?? Buffer.alloc(0);
      const stamp = (packet: Buffer) => packet.readUInt32LE(0) * 1e6 + packet.readUInt32LE(4);
      const all = files.flatMap(({ packets }) => packets).sort((x, y) => stamp(x) - stamp(y));
      const write = (name: string, packets: readonly Buffer[]): string => {
        const path = join(folder, `${scenario}-${name}.pcap`);
        writeFileSync(path, Buffer.concat([header, ...packets]));
        return path;
      };
      const merged = write("merged", all);
      const parts = [0, 1, 2, 3].map((part) =>
        write(
          `part${part}`,
          all.filter((_, i) => i % 4 === part),
        ),
      );
      const once = await observe([merged]);
      expect(essence((await observe(parts)).records)).toEqual(essence(once.records));
      const twice = await observe([merged, write("copy", all)]);
      expect(withoutAgents(twice.records)).toEqual(withoutAgents(once.records));
      expect(twice.totals.octets).toEqual(once.totals.octets);
    },
  );

  it.each(SCENARIOS)("%s: router1 alone, which saw the handshake, gives the same ids", async (scenario) => {
    const [a, b] = routerFiles(scenario);
    const both = await observe([a, b]);
    const alone = await observe([a]);
    expect(idsByClient(alone.records)).toEqual(idsByClient(both.records));
  });

  it("join-client: router2 alone saw only joins: none without --partial, orphans with it", async () => {
    const [, b] = routerFiles("join-client");
    expect((await observe([b])).records).toEqual([]);
    const [orphan, ...others] = (await observe([b], { partial: true })).records;
    expect(others).toEqual([]);
    const [truth] = trueSessions("join-client");
    expect(orphan?.mptcp).toMatchObject({
      session: { evidence: "orphan" },
      token: { initiator: null, responder: truth?.server_token },
    });
    expect(orphan?.mptcp.subflows.map(({ join }) => join)).toEqual(
      [1, 2].map(() => ({
        hmac: { initiator: "unverifiable", responder: "unverifiable" },
        unverifiable_reason: "no-handshake",
      })),
    );
  });
});

const withoutTshark = needs("tshark");

describe.skipIf(withoutTshark)(titled("tshark as a judge of its own", withoutTshark), () => {
  it.each(["join-client", "ipv6", "http-many", "server-join", "iperf3"])(
    "%s: as many connections, and tokens it knows",
    async (scenario) => {
      const merged = join(folder, `${scenario}-tshark.pcap`);
      const files = routerFiles(scenario).map(recordsOf);
      const stamp = (packet: Buffer) => packet.readUInt32LE(0) * 1e6 + packet.readUInt32LE(4);
      const all = files.flatMap(({ packets }) => packets).sort((x, y) => stamp(x) - stamp(y));
      writeFileSync(merged, Buffer.concat([files[0]?.header ?? Buffer.alloc(0), ...all]));
      const fields = ["mptcp.stream", "mptcp.expected_token"].flatMap((field) => ["-e", field]);
      const { stdout } = spawnSync("tshark", ["-r", merged, "-T", "fields", ...fields], { encoding: "utf8" });
      const rows = stdout.split("\n").map((line) => line.split("\t"));
      const streams = new Set(rows.map(([stream]) => stream).filter(Boolean));
      const tokens = new Set(rows.flatMap(([, token]) => token?.split(",") ?? []).filter(Boolean));
      const { records } = await observe(routerFiles(scenario));
      expect(streams.size).toBe(records.length);
      const ours = records.flatMap(({ mptcp }) => Object.values(mptcp.token)).map((token) => Number(token));
      expect(tokens.size).toBeGreaterThan(0);
      expect([...tokens].map(Number).filter((token) => !ours.includes(token))).toEqual([]);
    },
  );
});
