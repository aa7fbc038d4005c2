import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { streams } from "../offline/files.ts";
import { packetsIn } from "../plain-tcp/retold.ts";
import { type Copy, capturePath, copiesOf } from "../support/copies.ts";
import { Collect, send } from "./collect.ts";

const ROUTERS = [capturePath("small-mtu/router1.pcap.gz"), capturePath("small-mtu/router2.pcap.gz")];

let copies: Copy[];
/** What each end of the session sent, by its address and port. */
let truth: ReadonlyMap<string, Buffer>;

function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), "rejoin-plain-tcp-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

beforeAll(async () => {
  copies = await copiesOf(ROUTERS);
  const directory = mkdtempSync(join(tmpdir(), "rejoin-plain-tcp-"));
  const { texts, ...io } = streams();
  await read(ROUTERS, { plainTcp: join(directory, "whole.pcap"), summary: true }, io);
  truth = sentIn([join(directory, "whole.pcap")]);
  rmSync(directory, { recursive: true });
});

/** The octets of each end of the connections in captures; each capture has to be whole packets. */
function sentIn(paths: readonly string[]): Map<string, Buffer> {
  const sent = new Map<string, Buffer[]>();
  for (const { from, payload } of paths.flatMap(packetsIn)) sent.set(from, [...(sent.get(from) ?? []), payload]);
  return new Map([...sent].map(([end, payloads]) => [end, Buffer.concat(payloads)]));
}

const captures = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".pcap"))
    .sort()
    .map((name) => join(directory, name));

/** A collector that finishes a capture each second. */
function collector(directory: string, parent: string): Collect {
  const config = join(parent, "collector.json");
  writeFileSync(config, JSON.stringify({ plainTcp: { directory, rotateSeconds: 1 } }));
  return new Collect("--config", config, "--sink", "stdout");
}

describe("rejoin collect --plain-tcp", () => {
  test("tells a session over several captures, one connection from its first octet to its last", async () => {
    const parent = folder();
    const directory = join(parent, "whole");
    const collect = collector(directory, parent);
    const port = await collect.port();
    await send(copies.slice(0, 1500), port);
    await setTimeout(2500);
    await send(copies.slice(1500), port);
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    expect(captures(directory).length).toBeGreaterThan(1);
    const packets = captures(directory).flatMap(packetsIn);
    expect(packets.filter(({ flags }) => flags.includes("S"))).toHaveLength(2);
    const sent = sentIn(captures(directory));
    expect([...sent.keys()]).toEqual([...truth.keys()]);
    for (const [end, octets] of sent) expect(octets.equals(truth.get(end) ?? Buffer.alloc(0))).toBe(true);
    expect(collect.errors).toContain(`"plainTcp":{"packets":${packets.length},"written":${packets.length},`);
  });

  test("killed at any moment it leaves whole captures, and the next one finishes what it had begun", async () => {
    let told = 0;
    for (let round = 0; round < 4; round++) {
      const parent = folder();
      const directory = join(parent, "whole");
      const killed = collector(directory, parent);
      const port = await killed.port();
      const sending = send(copies, port);
      await setTimeout(Math.random() * 2000);
      killed.kill("SIGKILL");
      await sending;
      const next = collector(directory, parent);
      await next.port();
      next.kill("SIGTERM");
      expect(await next.ended()).toBe(0);
      expect(readdirSync(join(directory, "unfinished"))).toEqual([]);
      for (const [end, octets] of sentIn(captures(directory))) {
        expect(octets.equals(truth.get(end)?.subarray(0, octets.length) ?? Buffer.alloc(0))).toBe(true);
        told += octets.length;
      }
    }
    expect(told).toBeGreaterThan(0);
  });

  test("does not start where another one writes: one clear line and status 2", async () => {
    const parent = folder();
    const first = collector(join(parent, "whole"), parent);
    await first.port();
    const second = collector(join(parent, "whole"), parent);
    expect(await second.ended()).toBe(2);
    expect(second.said()).toEqual([
      expect.stringMatching(/^rejoin: \S+whole: another collector, process \d+, writes there; give each .*--plain-tcp/),
    ]);
    first.kill("SIGTERM");
    expect(await first.ended()).toBe(0);
  });
});
