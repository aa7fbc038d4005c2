import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { pino } from "pino";
import { describe, expect, test, vi } from "vitest";
import type { TakeVector } from "../../../collectors/central/source/arrivals.ts";
import { UdpSource } from "../../../collectors/central/source/udp-source.ts";
import { type Libc, loadLibc } from "../../../collectors/linux/libc.ts";
import { needs, titled } from "../../support/requirements.ts";

const log = pino({ level: "silent" });

/** A source with this much work for each vector; `before` is called before the work. */
async function slowSource(libc: Libc | null, workMs: number, before = () => {}): Promise<UdpSource> {
  const take = (): void => {
    before();
    const endMs = performance.now() + workMs;
    while (performance.now() < endMs);
  };
  const source = new UdpSource(
    { host: "127.0.0.1", port: 0, encapsulation: "gre-in-udp" },
    { receiveOctets: 1 << 20, zeroUdpChecksums: false },
    libc,
    take,
    0,
    log,
  );
  await source.start();
  return source;
}

/** Sends datagrams that are in the receiver's queue when it resolves. */
async function send(count: number, port: number): Promise<void> {
  const socket = createSocket("udp4");
  const sent = Array.from(
    { length: count },
    () => new Promise((resolve) => socket.send(Buffer.alloc(40), port, "127.0.0.1", resolve)),
  );
  await Promise.all(sent);
  socket.close();
}

describe.each([
  { way: "in batches", load: loadLibc, reason: needs("Linux", "koffi") },
  { way: "one at a time", load: async () => null, reason: needs("Linux") },
])("UDP source that reads $way", ({ load, reason }) => {
  test.skipIf(reason)(titled("a stop takes all that is queued, however slow the work", reason), async () => {
    let stopped: Promise<void> | null = null;
    // Told to stop in the midst of work, as by a signal under load.
    const source: UdpSource = await slowSource(await load(), 30, () => {
      stopped ??= source.stop(5000);
    });
    await send(400, source.port);
    while (stopped === null) await new Promise((resolve) => setImmediate(resolve));
    await stopped;
    expect(source.counters()).toMatchObject({ packets: 400, kernelDrops: 0, unreadOctets: 0 });
  });

  test.skipIf(reason)(titled("what there is no time for is told", reason), async () => {
    const source = await slowSource(await load(), 100);
    await send(400, source.port);
    await source.stop(150);
    const { packets, unreadOctets } = source.counters();
    expect(packets).toBeLessThan(400);
    // Each datagram takes more of the kernel's memory than it is long.
    expect(unreadOctets).toBeGreaterThan((400 - packets) * 40);
  });
});

describe("UDP over IPv6 without a checksum", () => {
  const reason = needs("Linux", "koffi", "python3");
  /** Sends a datagram without a checksum (UDP_NO_CHECK6_TX of udp(7)), and one with. */
  const SEND = `
import socket, sys
sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for without in (1, 0):
    sender.setsockopt(17, 101, without)
    sender.sendto(bytes(40 + without), ("::1", int(sys.argv[1])))`;

  test.skipIf(reason).each([true, false])(titled("is taken where that is configured: %s", reason), async (allowed) => {
    const lengths: number[] = [];
    const take: TakeVector = (vector) => lengths.push(...vector.captured.subarray(0, vector.length));
    const listen = { host: "::1", port: 0, encapsulation: "gre-in-udp" } as const;
    const settings = { receiveOctets: 1 << 20, zeroUdpChecksums: allowed };
    const source = new UdpSource(listen, settings, await loadLibc(), take, 0, log);
    await source.start();
    expect(spawnSync("python3", ["-c", SEND, `${source.port}`]).status).toBe(0);
    await vi.waitUntil(() => lengths.includes(48 + 40), { timeout: 5000 });
    await source.stop(0);
    expect(lengths).toEqual(allowed ? [48 + 41, 48 + 40] : [48 + 40]);
  });

  test("cannot be had one datagram at a time, which is told", async () => {
    const listen = { host: "::1", port: 0, encapsulation: "gre-in-udp" } as const;
    const settings = { receiveOctets: 1 << 20, zeroUdpChecksums: true };
    const source = new UdpSource(listen, settings, null, () => {}, 0, log);
    await expect(source.start()).rejects.toThrow("listen.zeroUdpChecksums needs package koffi");
  });
});
