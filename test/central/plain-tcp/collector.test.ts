import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startCollector } from "../../../collectors/central/collector.ts";
import { COLLECTOR_DEFAULTS, type CollectorConfig } from "../../../collectors/central/collector-contract.ts";
import { FileSink } from "../../../collectors/sink/files.ts";
import { packetsIn } from "../../plain-tcp/retold.ts";
import { Conversation } from "../../support/conversation.ts";
import { type Copy, capturePath, copiesOf, sendTo } from "../../support/copies.ts";
import { deliveryTo } from "../../support/delivery.ts";

const log = pino({ level: "silent" });
const ROUTERS = [capturePath("join-client/router1.pcap.gz"), capturePath("join-client/router2.pcap.gz")];

function start(streams: boolean) {
  const parent = mkdtempSync(join(tmpdir(), "rejoin-plain-tcp-"));
  onTestFinished(() => rmSync(parent, { recursive: true }));
  const directory = join(parent, "captures");
  const config: CollectorConfig = {
    ...COLLECTOR_DEFAULTS,
    agents: null,
    streams,
    listenUdp: [{ host: "127.0.0.1", port: 0, encapsulation: "gre-in-udp" }],
    plainTcp: { directory, rotateMs: 3_600_000, rotateOctets: 2 ** 30, keepOctets: 2 ** 31 },
  };
  const sink = new FileSink({ directory: join(parent, "records"), rotateOctets: 2 ** 30, rotateMs: 1e9, keep: 1 }, log);
  return { directory, collector: startCollector(config, deliveryTo(sink), log) };
}

const captures = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".pcap"))
    .sort()
    .map((name) => join(directory, name));

/** IPv4 packets as an agent without a key copies them. */
const inGre = (packets: Conversation["packets"]): Copy[] =>
  packets.map(({ octets }) => ({ file: 0, octets: Buffer.concat([Buffer.from("00000800", "hex"), octets]) }));

test.each([true, false])(
  "a collector tells sessions again as they come, and finishes the last capture when it ends; streams in records: %s",
  async (streams) => {
    const { directory, collector: starting } = start(streams);
    const collector = await starting;
    await sendTo(collector, await copiesOf(ROUTERS));
    const { plainTcp } = await collector.stop();
    const [path = "", ...others] = captures(directory);
    const packets = packetsIn(path);
    expect([others, readdirSync(join(directory, "unfinished"))]).toEqual([[], []]);
    expect(plainTcp).toEqual({
      ...{ packets: packets.length, written: packets.length, shed: { behind: 0, failed: 0 } },
      ...{ captures: 1, deleted: 0, untoldOctets: 0 },
    });
    const [truth] = JSON.parse(readFileSync(capturePath("join-client/truth.json"), "utf8")).sessions;
    for (const [end, sent] of [
      [truth.client, truth.c2s],
      [truth.server, truth.s2c],
    ]) {
      const payloads = packets.filter(({ from }) => from === end).map(({ payload }) => payload);
      const octets = Buffer.concat(payloads);
      expect(octets.length).toBe(sent.sent_bytes);
      expect(createHash("sha256").update(octets).digest("hex")).toBe(sent.sent_sha256);
    }
    expect(packets.at(-2)?.flags).toContain("F");
  },
);

test("what waited for octets that never came is told at the end, however much it is", async () => {
  const { directory, collector: starting } = start(false);
  const collector = await starting;
  const sessions = Array.from({ length: 800 }, (_, n) => {
    const ends = [
      { ip: "10.1.0.1", port: 1024 + n },
      { ip: "10.2.0.2", port: 443 },
    ] as const;
    const keys = [Buffer.alloc(8, `a${n}`), Buffer.alloc(8, `b${n}`)] as const;
    const talk = new Conversation({ ends, keys }).open().send(0, "missed");
    talk.packets.pop();
    for (let part = 0; part < 24; part++) talk.send(0, "x".repeat(1300));
    return talk.packets;
  });
  await sendTo(collector, inGre(sessions.flat()));
  const { plainTcp, totals } = await collector.stop();
  expect(totals.sessions.ended).toBe(800);
  expect(plainTcp?.shed).toEqual({ behind: 0, failed: 0 });
  const octets = captures(directory)
    .flatMap(packetsIn)
    .reduce((sum, { payload }) => sum + payload.length, 0);
  expect(octets).toBe(800 * 24 * 1300);
});

test("a collector that cannot have the directory does not start, and leaves nothing open", async () => {
  const { directory, collector } = start(false);
  writeFileSync(directory, "");
  await expect(collector).rejects.toMatchObject({ code: "PLAIN_TCP_DIRECTORY", exitStatus: 2 });
});
