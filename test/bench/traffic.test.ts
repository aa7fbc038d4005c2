import { execFileSync } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { observe } from "../scenario/observed.ts";
import { needs, titled } from "../support/requirements.ts";
import { TrueStreams } from "./streams-of.ts";
import { writeTraffic } from "./traffic.ts";

const folder = mkdtempSync(join(tmpdir(), "rejoin-bench-"));
afterAll(() => rmSync(folder, { recursive: true }));

const WORKLOAD = { sessions: 8, packetsPerSubflow: 40, snap: 65_535, seed: 7 };

function digestOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

describe("generated traffic", () => {
  test("is the same for the same seed, and as large as its truth says", () => {
    const [a, b, c] = ["a", "b", "c"].map((name) => join(folder, `${name}.pcap`)) as [string, string, string];
    const truth = writeTraffic(a, WORKLOAD);
    expect(writeTraffic(b, WORKLOAD)).toEqual(truth);
    writeTraffic(c, { ...WORKLOAD, seed: 8 });
    expect(digestOf(b)).toBe(digestOf(a));
    expect(digestOf(c)).not.toBe(digestOf(a));
    expect(statSync(a).size).toBe(truth.fileOctets);
    expect(truth).toMatchObject({ packets: 20 * 40, sessions: 8, subflows: { initial: 8, joined: 12 } });
  });

  test("is cut to the snap length and nothing else", () => {
    const path = join(folder, "cut.pcap");
    const whole = writeTraffic(join(folder, "whole.pcap"), WORKLOAD);
    const cut = writeTraffic(path, { ...WORKLOAD, snap: 126 });
    // The MP_CAPABLE with data is 4 octets shorter than a full DSS, so that 4 octets of its payload stay.
    const missing = whole.octets.initiator + whole.octets.responder - 4 * whole.sessions;
    expect(cut).toEqual({ ...whole, octets: { ...whole.octets, missing }, fileOctets: cut.fileOctets });
    expect(cut.fileOctets).toBeLessThan(24 + cut.packets * (16 + 126) + 1);
  });
});

test("true streams are what comes out of the capture", async () => {
  const path = join(folder, "streams.pcap");
  const truth = writeTraffic(path, WORKLOAD);
  const streams = new TrueStreams(WORKLOAD);
  const lengths = streams.each((session, side) => streams.octets(session, side).length);
  const sum = (side: number) => lengths.reduce((all, length, i) => (i % 2 === side ? all + length : all), 0);
  expect([sum(0), sum(1)]).toEqual([truth.octets.initiator, truth.octets.responder]);
  const { records } = await observe([path], { digest: true });
  const found = records.flatMap(({ mptcp: { stream } }) => [stream.initiator.sha256, stream.responder.sha256]);
  expect(found.sort()).toEqual(streams.digests().sort());
});

const reason = needs("tshark");
describe.skipIf(reason !== undefined)(titled("generated traffic, as tshark reads it", reason), () => {
  const path = join(folder, "tshark.pcap");
  const truth = writeTraffic(path, WORKLOAD);

  const summedPath = join(folder, "checksums.pcap");
  const summed = writeTraffic(summedPath, { ...WORKLOAD, checksums: true });

  /** One row per packet that passes the filter, one text per field. */
  function fields(filter: string, ...names: string[]): string[][] {
    return fieldsOf(path, filter, names);
  }

  function fieldsOf(path: string, filter: string, names: readonly string[]): string[][] {
    const checks = ["tcp.check_checksum", "ip.check_checksum"].flatMap((name) => ["-o", `${name}:TRUE`]);
    const columns = ["-T", "fields", ...names.flatMap((name) => ["-e", name])];
    const output = execFileSync("tshark", ["-r", path, ...checks, "-Y", filter, ...columns], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1 << 24,
    });
    return output.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")]));
  }

  test("has right checksums, nothing malformed and no expert error", () => {
    expect(
      fields(
        "ip.checksum.status == 0 || tcp.checksum.status == 0 || _ws.malformed || _ws.expert.severity == error",
        "frame.number",
      ),
    ).toEqual([]);
    expect(fields("tcp.checksum.status == 1", "frame.number")).toHaveLength(truth.packets);
  });

  test("has the sessions, subflows and retransmissions it should: none of the last", () => {
    expect(new Set(fields("mptcp", "mptcp.stream").flat()).size).toBe(truth.sessions);
    expect(new Set(fields("tcp", "tcp.stream").flat()).size).toBe(truth.subflows.initial + truth.subflows.joined);
    expect(
      fields("tcp.analysis.retransmission || tcp.analysis.lost_segment || tcp.analysis.out_of_order", "frame.number"),
    ).toEqual([]);
  });

  test("has GRE sequence numbers without gaps, per agent", () => {
    const rows = fields("gre", "gre.key", "gre.sequence_number");
    for (const [key, count] of [
      ["0x00000001", truth.packetsByAgent[0]],
      ["0x00000002", truth.packetsByAgent[1]],
    ] as const) {
      expect(rows.flatMap(([of, number]) => (of === key ? [Number(number)] : []))).toEqual([...Array(count).keys()]);
    }
  });

  test("has mappings that cover each stream once, without a hole", () => {
    const covered = new Map<string, Map<bigint, number>>();
    for (const [stream, port, dsn, length, ssn] of fields(
      "mptcp && tcp.len > 0",
      "mptcp.stream",
      "tcp.srcport",
      "tcp.options.mptcp.rawdataseqno",
      "tcp.options.mptcp.datalvllen",
      "tcp.options.mptcp.subflowseqno",
    )) {
      if (!dsn) continue;
      expect(Number(ssn)).toBeGreaterThan(0);
      const side = `${stream} ${port === "443" ? "responder" : "initiator"}`;
      const mappings = covered.get(side) ?? new Map<bigint, number>();
      mappings.set(BigInt(dsn), Number(length));
      covered.set(side, mappings);
    }
    let octets = 0;
    for (const mappings of covered.values()) {
      const ordered = [...mappings].sort(([a], [b]) => (a < b ? -1 : 1));
      ordered.reduce((end, [dsn, length]) => {
        expect(dsn).toBe(end);
        octets += length;
        return dsn + BigInt(length);
      }, ordered[0]?.[0] ?? 0n);
    }
    // The first segment of each session is mapped by its MP_CAPABLE instead.
    expect(octets + truth.sessions * 1320).toBe(truth.octets.initiator + truth.octets.responder);
  });

  test("has join HMACs that both keys and nonces give", () => {
    const keys = new Map<number, [Buffer, Buffer]>();
    for (const [sender, receiver] of fields(
      "tcp.options.mptcp.recvkey",
      "tcp.options.mptcp.sendkey",
      "tcp.options.mptcp.recvkey",
    )) {
      const [a, b] = [sender, receiver].map((text) =>
        Buffer.from(
          BigInt(text ?? 0)
            .toString(16)
            .padStart(16, "0"),
          "hex",
        ),
      ) as [Buffer, Buffer];
      keys.set(createHash("sha256").update(b).digest().readUInt32BE(0), [a, b]);
    }
    const joins = new Map<string, { token: number; nonces: Buffer[]; hmacs: string[] }>();
    for (const [stream, token, nonce, short, long] of fields(
      "tcp.options.mptcp.subtype == 1",
      "tcp.stream",
      "tcp.options.mptcp.recvtok",
      "tcp.options.mptcp.sendrand",
      "tcp.options.mptcp.sendtrunchmac",
      "tcp.options.mptcp.sendhmac",
    )) {
      const join = joins.get(stream ?? "") ?? { token: 0, nonces: [], hmacs: [] };
      if (token) join.token = Number(token);
      if (nonce) join.nonces.push(Buffer.from(Number(nonce).toString(16).padStart(8, "0"), "hex"));
      if (short) join.hmacs.push(BigInt(short).toString(16).padStart(16, "0"));
      if (long) join.hmacs.push(long.replaceAll(":", ""));
      joins.set(stream ?? "", join);
    }
    expect(joins.size).toBe(truth.subflows.joined);
    for (const { token, nonces, hmacs } of joins.values()) {
      const [a, b] = keys.get(token) as [Buffer, Buffer];
      const [na, nb] = nonces as [Buffer, Buffer];
      const hmac = (key: Buffer[], message: Buffer[]) =>
        createHmac("sha256", Buffer.concat(key)).update(Buffer.concat(message)).digest("hex");
      expect(hmacs).toEqual([hmac([b, a], [nb, na]).slice(0, 16), hmac([a, b], [na, nb]).slice(0, 40)]);
    }
  });

  test("has DSS checksums that are those of pseudo-header and payload, where asked for", () => {
    const mapped = new Map<string, { pseudo: string; checksum: number; payload: string }>();
    for (const [stream = "", port = "", dsn = "", ssn, length, options = "", payload = ""] of fieldsOf(
      summedPath,
      "tcp.options.mptcp.rawdataseqno && tcp.options.mptcp.datalvllen",
      [
        ...["tcp.stream", "tcp.srcport", "tcp.options.mptcp.rawdataseqno", "tcp.options.mptcp.subflowseqno"],
        ...["tcp.options.mptcp.datalvllen", "tcp.options", "tcp.payload"],
      ],
    )) {
      const hex = (text: string | undefined, octets: number) =>
        BigInt(text ?? "")
          .toString(16)
          .padStart(2 * octets, "0");
      const pseudo = hex(dsn, 8) + hex(ssn, 4) + hex(length, 2);
      // tshark has no field for the checksum, which is the last of the options.
      const checksum = Number(`0x${options.slice(-4)}`);
      const mapping = mapped.get(`${stream} ${port} ${dsn}`) ?? { pseudo, checksum, payload: "" };
      mapping.payload += payload.replaceAll(":", "");
      mapped.set(`${stream} ${port} ${dsn}`, mapping);
    }
    // Each session's first mapping is its MP_CAPABLE's, which states neither DSN nor SSN.
    expect(mapped.size).toBe((summed.checksums ?? 0) - summed.sessions);
    for (const { pseudo, checksum, payload } of mapped.values()) {
      const octets = Buffer.from(pseudo + payload, "hex");
      let sum = checksum;
      for (let at = 0; at < octets.length; at += 2) sum += octets.readUInt16BE(at);
      expect(sum % 0xffff).toBe(0);
    }
  });
});
