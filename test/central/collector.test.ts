import { createSocket } from "node:dgram";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { beforeAll, describe, expect, test } from "vitest";
import { startCollector } from "../../collectors/central/collector.ts";
import {
  COLLECTOR_DEFAULTS,
  type Collector,
  type CollectorConfig,
} from "../../collectors/central/collector-contract.ts";
import { loadLibc } from "../../collectors/linux/libc.ts";
import type { MemoryOutboxBounds } from "../../collectors/outbox/memory.ts";
import type { OutboxRecord, Outcome } from "../../collectors/outbox/outbox.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { FileSink } from "../../collectors/sink/files.ts";
import type { Sink } from "../../collectors/sink/sink.ts";
import { agentRecord } from "../../schema/agent-record.ts";
import { decode } from "../../schema/encoding.ts";
import { findingRecord } from "../../schema/finding-record.ts";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { TOPICS, topicFormats } from "../../schema/topics.ts";
import { Conversation } from "../support/conversation.ts";
import { type Copy, capturePath, copiesOf, sendTo } from "../support/copies.ts";
import { deliveryTo } from "../support/delivery.ts";

const log = pino({ level: "silent" });
const LOOPBACK = { host: "127.0.0.1", port: 0, encapsulation: "gre-in-udp" } as const;

/** Keeps what it is given; `hold` lets it wait as a sink does through an outage. */
class Kept implements Sink {
  readonly records: OutboxRecord[] = [];
  hold: Promise<unknown> | null = null;
  closed = false;
  async open(): Promise<void> {}
  async send(records: readonly OutboxRecord[], signal: AbortSignal): Promise<Outcome[]> {
    if (this.hold !== null) {
      const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
      await Promise.race([this.hold, aborted]);
    }
    if (signal.aborted) return records.map(() => "unsent");
    this.records.push(...records);
    return records.map(() => "acknowledged");
  }
  async close(): Promise<void> {
    this.closed = true;
  }

  of(topic: string): object[] {
    return this.records
      .filter((record) => record.topic === topic)
      .map(({ value, headers }) => {
        const decoded = decode(value, headers["content-type"] === "application/json" ? "json" : "msgpack");
        if (!decoded.ok) throw new Error(decoded.reason);
        return decoded.record;
      });
  }
}

const start = (sink: Sink, more: Partial<CollectorConfig> = {}, bounds?: MemoryOutboxBounds): Promise<Collector> => {
  const config = { ...COLLECTOR_DEFAULTS, agents: null, listenUdp: [LOOPBACK], digest: true, ...more };
  return startCollector(config, deliveryTo(sink, bounds), log);
};
/** IPv4 packets as an agent without a key copies them. */
const inGre = (packets: Conversation["packets"]): Copy[] =>
  packets.map(({ octets }) => ({ file: 0, octets: Buffer.concat([Buffer.from("00000800", "hex"), octets]) }));
/** A port of loopback that nobody had a moment ago. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  socket.close();
  return port;
}

describe("collector", () => {
  let copies: Copy[];
  let truth: {
    client_token: string;
    c2s: { sent_bytes: number; sent_sha256: string };
    s2c: { sent_bytes: number; sent_sha256: string };
    subflows: unknown[];
  };
  beforeAll(async () => {
    copies = await copiesOf([capturePath("join-client/router1.pcap.gz"), capturePath("join-client/router2.pcap.gz")]);
    truth = JSON.parse(readFileSync(capturePath("join-client/truth.json"), "utf8")).sessions[0];
  });

  test.each([
    ["127.0.0.1", "127.0.0.1", "json"],
    ["::1", "::1", "msgpack"],
    ["::", "127.0.0.1", "json"],
  ] as const)("listening on %s, copies to %s, as %s, come out as the session that was", async (host, to, format) => {
    const sink = new Kept();
    const collector = await start(sink, {
      listenUdp: [{ ...LOOPBACK, host }],
      formats: topicFormats(format),
    });
    await sendTo(collector, copies, to);
    const { totals, records, agents, sources, faultPackets } = await collector.stop();

    const sessions = sink.of(TOPICS.sessions).map((record) => sessionRecord.parse(record));
    expect(sessions.map(({ event }) => event.action)).toEqual(
      expect.arrayContaining(["session-opened", "session-ended"]),
    );
    const last = sessions.at(-1) as SessionRecord;
    expect(last.event.action).toBe("session-ended");
    expect(last.mptcp.token.initiator).toBe(truth.client_token);
    expect(last.mptcp.subflows).toHaveLength(truth.subflows.length);
    expect(last.mptcp.stream.initiator).toMatchObject({
      octets: truth.c2s.sent_bytes,
      sha256: truth.c2s.sent_sha256,
      complete: true,
    });
    expect(last.mptcp.stream.responder).toMatchObject({
      octets: truth.s2c.sent_bytes,
      sha256: truth.s2c.sent_sha256,
      complete: true,
    });

    // Everything is accounted for: packets by fate, records by what became of them, sequence numbers by agent.
    expect(totals.packetsIn).toBe(copies.length);
    expect(sources).toMatchObject([{ packets: copies.length, kernelDrops: 0 }]);
    expect(records).toMatchObject({
      made: sink.records.length,
      acknowledged: sink.records.length,
      stored: 0,
      shed: {},
    });
    expect(faultPackets).toBe(0);
    const senders = agents.filter(({ address }) => address !== null);
    expect(senders.map(({ key, lost }) => [key, lost]).sort()).toEqual([
      [1, 0],
      [2, 0],
    ]);
    expect(senders.map(({ address }) => address)).toEqual([to, to]);
    const ledgers = sink.of(TOPICS.agents).map((record) => agentRecord.parse(record));
    expect(ledgers.reduce((sum, ledger) => sum + ledger.rejoin.agent.packets, 0)).toBe(copies.length);
    expect(sink.closed).toBe(true);
  });

  test("where package koffi is missing one line says so, and the same comes out", async () => {
    const lines: string[] = [];
    const told = pino({ level: "warn" }, { write: (line) => lines.push(JSON.parse(line).msg) });
    const run = async (load: typeof loadLibc) => {
      const sink = new Kept();
      const config = { ...COLLECTOR_DEFAULTS, agents: null, listenUdp: [LOOPBACK, LOOPBACK], digest: true };
      // Little enough for any kernel, or it would warn of that.
      const collector = await startCollector({ ...config, receiveOctets: 65_536 }, deliveryTo(sink), told, load);
      await sendTo(collector, copies, "127.0.0.1", 1);
      const { totals, sources } = await collector.stop();
      const last = sessionRecord.parse(sink.of(TOPICS.sessions).at(-1));
      const drops = sources.map(({ packets, octets, kernelDrops }) => [packets, octets, kernelDrops]);
      return { packets: totals.packets, drops, stream: last.mptcp.stream, token: last.mptcp.token };
    };
    const without = await run(async () => {
      throw new OperationalError("no-koffi", "package koffi cannot be used (it is not installed)");
    });
    expect(lines).toEqual(["package koffi cannot be used (it is not installed); datagrams are received one at a time"]);
    expect(without.token.initiator).toBe(truth.client_token);
    expect(without.drops).toEqual([
      [0, 0, 0],
      [copies.length, copies.reduce((sum, { octets }) => sum + octets.length + 28, 0), 0],
    ]);
    expect(await run(loadLibc)).toEqual(without);
  });

  test("what is wrong with a session goes to the topic of findings, once", async () => {
    const sink = new Kept();
    const collector = await start(sink);
    const files = ["router1-access", "router1"].map((name) => capturePath(`strip-data/${name}.pcap.gz`));
    await sendTo(collector, await copiesOf(files));
    const { records } = await collector.stop();
    const findings = sink.of(TOPICS.findings).map((record) => findingRecord.parse(record));
    const [session] = sink.of(TOPICS.sessions).map((record) => sessionRecord.parse(record));
    expect(findings.map(({ event }) => event.action).sort()).toEqual(["late-fallback", "option-rewritten"]);
    for (const { mptcp } of findings) expect(mptcp.session.id).toBe(session?.mptcp.session.id);
    expect(records).toMatchObject({ made: sink.records.length, acknowledged: sink.records.length, shed: {} });
  });

  test("stop takes what the socket had queued, and ends open sessions with the reason shutdown", async () => {
    const sink = new Kept();
    const collector = await start(sink, { revisions: "ended" });
    // The first copies, without the end of the session; nobody waits for their arrival.
    const first = copies.slice(0, 60);
    const socket = createSocket("udp4");
    const port = collector.udpPorts[0] ?? 0;
    await Promise.all(first.map(({ octets }) => new Promise((r) => socket.send(octets, port, "127.0.0.1", r))));
    const { totals } = await collector.stop();
    socket.close();
    expect(totals.packetsIn).toBe(first.length);
    expect(sink.of(TOPICS.sessions)).toMatchObject([{ mptcp: { close: { reason: "shutdown" } } }]);
  });

  test("a ledger record that cannot be made ends nothing: one line says so, and the rest of the records come", async () => {
    const lines: string[] = [];
    const faults = pino({ level: "error" }, { write: (line) => lines.push(JSON.parse(line).stack) });
    const sink = new Kept();
    const delivery = deliveryTo(sink);
    const append = delivery.append.bind(delivery);
    delivery.append = (records) => {
      if (records.some(({ topic }) => topic === TOPICS.agents)) throw new RangeError("too large for a record");
      append(records);
    };
    const config = { ...COLLECTOR_DEFAULTS, agents: null, listenUdp: [LOOPBACK], agentsIntervalS: 0.05 };
    const collector = await startCollector(config, delivery, faults);
    await sendTo(collector, copies);
    await expect.poll(() => lines[0]).toMatch("too large for a record");
    const { records } = await collector.stop();
    expect(sink.of(TOPICS.sessions).length).toBeGreaterThan(0);
    expect(records).toMatchObject({ made: sink.records.length, acknowledged: sink.records.length });
  });

  /** Copies of the handshakes of so many sessions, which stay open. */
  const handshakes = (count: number): Copy[] =>
    Array.from({ length: count }, (_, n) => {
      const ends = [
        { ip: "10.1.0.1", port: 10_000 + n },
        { ip: "10.2.0.2", port: 443 },
      ] as const;
      const made = [Buffer.alloc(8), Buffer.alloc(8, 1)] as const;
      for (const key of made) key.writeUInt32BE(n, 4);
      return new Conversation({ ends, keys: made, isn: [n, n] }).open().packets;
    }).flatMap((packets) => inGre(packets));
  /** An outbox with room for less than a tenth of their records. */
  const tight = { maxRecords: 40, maxOctets: 2 ** 20 };
  const small = { revisions: "ended", agentsIntervalS: 0 } as const;

  test("at the end sessions wait for room in the outbox: no record of them is shed", async () => {
    const sink = new Kept();
    const collector = await start(sink, small, tight);
    await sendTo(collector, handshakes(500));
    const { records, untold } = await collector.stop();
    expect(sink.of(TOPICS.sessions)).toHaveLength(500);
    expect(records).toMatchObject({ made: 500, acknowledged: 500, shed: {} });
    expect(untold).toBe(0);
  });

  test("sessions that are open when the time is over are told as such", async () => {
    const sink = new Kept();
    const collector = await start(sink, { ...small, drainMs: 400 }, tight);
    await sendTo(collector, handshakes(500));
    sink.hold = new Promise(() => {});
    const { records, untold } = await collector.stop();
    expect(records.acknowledged).toBe(0);
    expect(untold).toBeGreaterThan(400);
    expect(records.made + untold).toBe(500);
  });

  test("so are those of which no handshake was seen, where they are told at all", async () => {
    for (const partial of [true, false]) {
      const collector = await start(new Kept(), { ...small, partial, drainMs: 0 }, tight);
      const midstream = Array.from({ length: 30 }, (_, n) => {
        const ends = [
          { ip: "10.1.0.1", port: 20_000 + n },
          { ip: "10.2.0.2", port: 443 },
        ] as const;
        return new Conversation({ ends }).send(0, "x").packets;
      }).flatMap((packets) => inGre(packets));
      await sendTo(collector, midstream);
      expect((await collector.stop()).untold).toBe(partial ? 30 : 0);
    }
  });

  test("who is not on the list is refused, by address and by key", async () => {
    const sink = new Kept();
    const agents = [{ name: "router1", addresses: ["127.0.0.1"], keys: [1] }];
    const collector = await start(sink, { agents });
    await sendTo(collector, copies.slice(0, 200));
    const { totals, agents: ledgers } = await collector.stop();
    const others = copies.slice(0, 200).filter(({ file }) => file === 1).length;
    expect(others).toBeGreaterThan(0);
    expect(totals.packets["decapsulate/agent-unknown"]).toBe(others);
    expect(ledgers.filter(({ address }) => address !== null).map(({ name }) => name)).toEqual(["router1"]);
  });

  test("what is not GRE is counted by its reason", async () => {
    const collector = await start(new Kept());
    const junk = ["", "00", "0000", "20000800", "00000800".padEnd(60, "f"), "0001080000"].map((text) => ({
      file: 0,
      octets: Buffer.from(text, "hex"),
    }));
    junk.push({ file: 0, octets: Buffer.alloc(60_000, 0x45) });
    await sendTo(collector, junk);
    const { totals } = await collector.stop();
    expect(totals.packetsIn).toBe(junk.length);
    expect(Object.values(totals.packets).reduce((sum, count) => sum + count, 0)).toBe(junk.length);
    expect(totals.packets["decapsulate/gre-truncated"]).toBeGreaterThan(0);
  });

  test("a sink that is away: packets go on, records wait, and what cannot wait is counted", async () => {
    const sink = new Kept();
    sink.hold = new Promise(() => {});
    const collector = await start(sink, { drainMs: 300 }, { maxRecords: 2, maxOctets: 1e6 });
    await sendTo(collector, copies);
    const started = Date.now();
    const { totals, records } = await collector.stop();
    expect(Date.now() - started).toBeLessThan(2500);
    expect(totals.packetsIn).toBe(copies.length);
    const shed = Object.values(records.shed).reduce((sum, count) => sum + count, 0);
    expect(records).toMatchObject({ acknowledged: 0, stored: 0 });
    expect(shed).toBe(records.made);
    expect(sink.closed).toBe(true);
  });

  test("a sink that gives up is told, and the collector can still be stopped", async () => {
    const sink = new Kept();
    sink.hold = Promise.reject(new OperationalError("GONE", "gone for good"));
    sink.hold.catch(() => {});
    const collector = await start(sink);
    await sendTo(collector, copies.slice(0, 100));
    expect(await collector.sinkFailure).toMatchObject({ code: "GONE" });
    const { records } = await collector.stop();
    expect(records.acknowledged + Object.values(records.shed).reduce((sum, count) => sum + count, 0)).toBe(
      records.made,
    );
  });

  test("a port that somebody has is one clear line, and nothing stays open", async () => {
    const sink = new Kept();
    const first = await start(new Kept());
    const port = first.udpPorts[0] ?? 0;
    const second = start(sink, { listenUdp: [LOOPBACK, { ...LOOPBACK, port }] });
    await expect(second).rejects.toThrow(
      `udp 127.0.0.1:${port}: the port is in use by another program; stop it or choose another with --listen-udp`,
    );
    expect(sink.closed).toBe(true);
    await first.stop();
    const third = await start(new Kept(), { listenUdp: [{ ...LOOPBACK, port }] });
    await third.stop();
  });

  test("an address of another machine is one clear line, and no file is made", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-collector-"));
    const directory = join(folder, "records");
    const sink = new FileSink({ directory, rotateOctets: 1e6, rotateMs: 1e6, keep: 1 }, log);
    await expect(start(sink, { listenUdp: [{ ...LOOPBACK, host: "192.0.2.1" }] })).rejects.toThrow(
      /192\.0\.2\.1 is no address of this machine/,
    );
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test("a sink that cannot be opened leaves no socket open", async () => {
    const sink = new Kept();
    sink.open = () => Promise.reject(new OperationalError("SINK", "no place"));
    const port = await freeUdpPort();
    await expect(start(sink, { listenUdp: [{ ...LOOPBACK, port }] })).rejects.toThrow("no place");
    const again = await start(new Kept(), { listenUdp: [{ ...LOOPBACK, port }] });
    await again.stop();
  });
});
