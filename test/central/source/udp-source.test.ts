import { createSocket } from "node:dgram";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
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
    1 << 20,
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
