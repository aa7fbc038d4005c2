import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startAgent } from "../../collectors/agent/agent.ts";
import { AGENT_DEFAULTS, type AgentConfig } from "../../collectors/agent/agent-contract.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { ACK, RST } from "../../src/wire/tcp.ts";
import { pcapFile } from "../support/pcap.ts";
import type { StatedPacket } from "../support/pcapng.ts";
import { BEGIN, conversation, packetOf, payloadPackets } from "./frames.ts";
import { Receiver } from "./receiver.ts";

const SECOND = 1e6;
const silent = pino({ level: "silent" });

let folder: string;
let receiver: Receiver;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-agent-"));
  receiver = await Receiver.open();
});

afterEach(() => {
  receiver.close();
  rmSync(folder, { recursive: true });
});

function file(name: string, packets: readonly StatedPacket[]): string {
  const path = join(folder, name);
  writeFileSync(path, pcapFile(packets));
  return path;
}

function config(files: readonly string[], changes: Partial<AgentConfig> = {}): AgentConfig {
  return {
    ...AGENT_DEFAULTS,
    name: "test",
    input: { kind: "replay", files, speed: Number.POSITIVE_INFINITY, begin: null },
    collectors: [{ host: "127.0.0.1", port: receiver.port }],
    maxFlows: 1024,
    ...changes,
  };
}

describe("an agent that replays files", () => {
  it("sends whole MPTCP flows, octet for octet, numbered from 0, and nothing else", async () => {
    const mptcp = [conversation(1001, 0, true), conversation(1002, 300, true, 6)];
    const plain = conversation(1003, 600, false);
    const files = [file("a.pcap", mptcp[0] ?? []), file("b.pcap", mptcp[1] ?? []), file("c.pcap", plain)];
    const agent = await startAgent(config(files, { key: 0xfeedbeef }), silent);
    const counters = await agent.ended;
    const copies = await receiver.received(410);

    const expected = mptcp.flat().toSorted((a, b) => a.atMicros - b.atMicros);
    expect(copies.map(({ packet }) => packet.toString("hex"))).toEqual(payloadPackets(expected));
    expect(copies.map(({ sequence }) => sequence)).toEqual(copies.map((_, n) => n));
    expect(new Set(copies.map(({ key }) => key))).toEqual(new Set([0xfeedbeef]));
    expect(copies.every(({ protocol, packet }) => protocol === (packet[0] === 0x45 ? 0x0800 : 0x86dd))).toBe(true);
    expect(counters).toEqual({
      seen: 615,
      selected: 410,
      sent: 413,
      reports: 3,
      cut: 0,
      failed: 0,
      refused: 0,
      tooLong: 0,
      dropped: 0,
      limited: 0,
      pausedMs: 0,
      lost: 0,
      flows: { live: 2, opened: 2, evicted: 0, leftOut: 0 },
    });
  });

  it("sends a file that is named twice once, and says so", async () => {
    const lines: string[] = [];
    const told = pino({ level: "warn" }, { write: (line) => lines.push(JSON.parse(line).msg) });
    const path = file("a.pcap", conversation(1001, 0, true));
    expect(await (await startAgent(config([path, path]), told)).ended).toMatchObject({ selected: 205 });
    expect(lines).toEqual([`${path}: is named twice, and read once`]);
  });

  it("says in its last line what the kernel lost", async () => {
    const lines: { msg: string; lost?: number }[] = [];
    const log = pino({ level: "info" }, { write: (line) => void lines.push(JSON.parse(line)) });
    await (await startAgent(config([file("a.pcap", conversation(1001, 0, true))]), log)).ended;
    expect(lines.at(-1)).toMatchObject({ msg: "agent test ended; 0 packets lost in this host's kernel", lost: 0 });
  });

  it("sends the same one at a time where package koffi is missing, and says so in one line", async () => {
    const lines: string[] = [];
    const told = pino({ level: "warn" }, { write: (line) => lines.push(JSON.parse(line).msg) });
    const load = async () => {
      throw new OperationalError("no-koffi", "package koffi cannot be used (it is not installed)");
    };
    const packets = conversation(1001, 0, true);
    const agent = await startAgent(config([file("a.pcap", packets)]), told, load);
    const counters = await agent.ended;
    const copies = await receiver.received(205);
    expect(copies.map(({ packet }) => packet.toString("hex"))).toEqual(payloadPackets(packets));
    expect(counters).toMatchObject({ selected: 205, sent: 208, reports: 3, failed: 0, dropped: 0 });
    expect(lines).toEqual(["package koffi cannot be used (it is not installed); copies are sent one at a time"]);
  });

  it("cuts long packets to the snap length and counts them", async () => {
    const packets = conversation(1001, 0, true);
    const agent = await startAgent(config([file("a.pcap", packets)], { snap: 128 }), silent);
    const counters = await agent.ended;
    const copies = await receiver.received(205);
    expect(copies.map(({ packet }) => packet.toString("hex"))).toEqual(
      payloadPackets(packets).map((hex) => hex.slice(0, 256)),
    );
    expect(counters.cut).toBe(packets.filter(({ octets }) => octets.length - 14 > 128).length);
  });

  it("keeps the files' pace, at the factor asked for, and is stopped in the middle of it", async () => {
    const packets = [0, 1, 2, 60].map((seconds) =>
      packetOf({ atMicros: BEGIN + seconds * SECOND, flags: ACK, option: true }),
    );
    const input = { kind: "replay", files: [file("a.pcap", packets)], speed: 10, begin: null } as const;
    const begin = performance.now();
    const agent = await startAgent(config([], { input }), silent);
    await receiver.received(3);
    const took = performance.now() - begin;
    expect(took).toBeGreaterThan(190);
    expect(took).toBeLessThan(2000);
    expect((await agent.stop()).sent).toBe(3 + 3);
    expect(performance.now() - begin).toBeLessThan(4000);
  });

  it("is played together with others from a common beginning", async () => {
    const begin = { packetMicros: BEGIN, atMs: performance.now() + 100 };
    const start = (name: string, key: number, times: readonly number[]) => {
      const packets = times.map((ms) => packetOf({ atMicros: BEGIN + ms * 1000, flags: ACK, option: true }));
      return startAgent(
        config([], { key, input: { kind: "replay", files: [file(name, packets)], speed: 1, begin } }),
        silent,
      );
    };
    const agents = await Promise.all([start("late.pcap", 2, [60, 180]), start("early.pcap", 1, [0, 120])]);
    await Promise.all(agents.map(({ ended }) => ended));
    expect((await receiver.received(4)).map(({ key }) => key)).toEqual([1, 2, 1, 2]);
  });

  it("sends what a damaged file held and says what is wrong with it", async () => {
    const path = join(folder, "cut.pcap");
    writeFileSync(path, pcapFile(conversation(1001, 0, true)).subarray(0, -5));
    const agent = await startAgent(config([path]), silent);
    expect((await agent.ended).sent).toBe(204 + 3);
    expect(agent.damage).toEqual([expect.stringContaining("cut.pcap")]);
  });

  it("refuses a file that is none before it sends anything", async () => {
    const path = join(folder, "text.pcap");
    writeFileSync(path, "not a capture");
    await expect(startAgent(config([path]), silent)).rejects.toMatchObject({ code: "unreadable", exitStatus: 2 });
  });

  it("goes on when nobody listens, says so at once and counts how often it was told so", async () => {
    const nobody = await Receiver.open();
    const { port } = nobody;
    nobody.close();
    const packets = Array.from({ length: 20 }, (_, n) =>
      packetOf({ atMicros: BEGIN + n * 80_000, flags: n === 19 ? RST : ACK, option: true }),
    );
    const input = { kind: "replay", files: [file("a.pcap", packets)], speed: 1, begin: null } as const;
    const moments: number[] = [];
    const log = pino(
      { level: "warn" },
      { write: (line: string) => void (/nobody listens/.test(line) && moments.push(performance.now())) },
    );
    const agent = await startAgent(config([], { input, collectors: [{ host: "127.0.0.1", port }] }), log);
    const counters = await agent.ended;
    expect(moments).toHaveLength(1);
    // Not with the report at the end alone.
    expect(moments[0]).toBeLessThan(performance.now() - 100);
    expect(counters.refused).toBeGreaterThan(0);
    expect(counters.sent + counters.failed).toBe(20 + 3);
  });
});
