import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import { startCollector } from "../../collectors/central/collector.ts";
import { COLLECTOR_DEFAULTS } from "../../collectors/central/collector-contract.ts";
import { FileSink } from "../../collectors/sink/files.ts";
import { streamChunk } from "../../schema/stream-chunk.ts";
import { TOPICS } from "../../schema/topics.ts";
import { capturePath, copiesOf, sendTo } from "../support/copies.ts";
import { deliveryTo } from "../support/delivery.ts";

const log = pino({ level: "silent" });

test.each([true, false])("octets of streams go to files as chunks where they are asked for (%s)", async (streams) => {
  const directory = mkdtempSync(join(tmpdir(), "rejoin-streams-"));
  try {
    const copies = await copiesOf([
      capturePath("join-client/router1.pcap.gz"),
      capturePath("join-client/router2.pcap.gz"),
    ]);
    const [truth] = JSON.parse(readFileSync(capturePath("join-client/truth.json"), "utf8")).sessions;
    const sink = new FileSink({ directory, rotateOctets: 2 ** 30, rotateMs: 3_600_000, keep: 1 }, log);
    const listenUdp = [{ host: "127.0.0.1", port: 0, encapsulation: "gre-in-udp" } as const];
    const collector = await startCollector(
      { ...COLLECTOR_DEFAULTS, agents: null, listenUdp, streams },
      deliveryTo(sink),
      log,
    );
    await sendTo(collector, copies);
    const report = await collector.stop();
    const file = `${TOPICS.streams}.jsonl`;
    if (!streams) {
      expect(readdirSync(directory)).not.toContain(file);
      expect(report.streams).toBeNull();
      return;
    }
    expect(report.streams).toEqual({ lateOctets: 0, shedHoles: 0 });
    const lines = readFileSync(join(directory, file), "utf8").trim().split("\n");
    const chunks = lines.map((line) => streamChunk.parse(JSON.parse(line)));
    expect(new Set(chunks.map(({ event }) => event.id)).size).toBe(chunks.length);
    for (const [side, sent] of [
      ["initiator", truth.c2s],
      ["responder", truth.s2c],
    ] as const) {
      const own = chunks.map(({ mptcp }) => mptcp.chunk).filter((chunk) => chunk.side === side);
      const octets = Buffer.concat(own.map((chunk) => Buffer.from(chunk.octets, "base64")));
      expect(own.map(({ hole }) => hole).every((hole) => hole === 0)).toBe(true);
      expect(own.map(({ final }) => final).indexOf(true)).toBe(own.length - 1);
      expect(octets.length).toBe(sent.sent_bytes);
      expect(createHash("sha256").update(octets).digest("hex")).toBe(sent.sent_sha256);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
