import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { expect, test } from "vitest";
import { BatchedDatagrams } from "../../../collectors/central/source/batched-datagrams.ts";
import { dropsIn, kernelDrops, kernelQueue, queuedIn } from "../../../collectors/central/source/kernel-drops.ts";
import { loadLibc } from "../../../collectors/linux/libc.ts";
import { needs, titled } from "../../support/requirements.ts";

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  107: 00000000:1292 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12
  108: 0100007F:1292 00000000:0000 07 00000000:00000A00 00:00000000 00000000     0        0 4712 2 0000000000000000 30
  109: 0100007F:1293 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 500
  110: B80D0120000000000000000001000000:1292 00000000000000000000000000000000:0000 07 00000000:00000100 00:00000000 00000000     0        0 4714 2 0000000000000000 7
`;

const OWN = new Set(["4711", "4712", "4713", "4714"]);

test("the drops of the own socket at an address and port, and of no other there", () => {
  expect(dropsIn(TABLE, OWN, "0.0.0.0", 0x1292)).toBe(12);
  expect(dropsIn(TABLE, OWN, "127.0.0.1", 0x1292)).toBe(30);
  expect(dropsIn(TABLE, OWN, "127.0.0.1", 0x1293)).toBe(500);
  expect(dropsIn(TABLE, OWN, "2001:db8::1", 0x1292)).toBe(7);
  expect(dropsIn(TABLE, OWN, "127.0.0.2", 0x1292)).toBeNull();
  expect(dropsIn(TABLE, new Set(["4711", "4713"]), "127.0.0.1", 0x1292)).toBeNull();
  expect(dropsIn("", new Set(), "127.0.0.1", 1)).toBeNull();
});

test("what waits in the receive queue of the own socket at an address and port", () => {
  expect(queuedIn(TABLE, OWN, "127.0.0.1", 0x1292)).toBe(0xa00);
  expect(queuedIn(TABLE, OWN, "0.0.0.0", 0x1292)).toBe(0);
  expect(queuedIn(TABLE, OWN, "2001:db8::1%eth0", 0x1292)).toBe(0x100);
  expect(queuedIn(TABLE, OWN, "127.0.0.2", 0x1292)).toBeNull();
});

const reason = needs("Linux");
test.skipIf(reason)(
  titled("the kernel's own count: a flood that nobody reads, and a socket beside it", reason),
  async () => {
    const bound = async (port: number, address: string) => {
      const socket = createSocket("udp4");
      await new Promise<void>((resolve) => socket.bind(port, address, resolve));
      return socket;
    };
    const receiver = await bound(0, "127.0.0.1");
    receiver.setRecvBufferSize(4096);
    const { port } = receiver.address();
    const beside = await bound(port, "127.0.0.2");
    const figures = (address: string) => [kernelDrops("udp", address, port), kernelQueue("udp", address, port)];
    expect([figures("127.0.0.1"), figures("127.0.0.2")]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    const sender = createSocket("udp4");
    const sent = Array.from(
      { length: 200 },
      () => new Promise((resolve) => sender.send(Buffer.alloc(1000), port, "127.0.0.1", resolve)),
    );
    await Promise.all(sent);
    expect(kernelDrops("udp", "127.0.0.1", port)).toBeGreaterThan(50);
    expect(kernelQueue("udp", "127.0.0.1", port)).toBeGreaterThan(1000);
    expect(figures("127.0.0.2")).toEqual([0, 0]);
    for (const socket of [sender, receiver, beside]) socket.close();
  },
);

const unmet = needs("Linux", "koffi");
test.skipIf(unmet)(
  titled("of two sockets at what the table calls one address each has its own count, by its descriptor", unmet),
  async () => {
    const libc = await loadLibc();
    // Two at one address and port, as at a link-local address that two interfaces have: the kernel gives copies to one.
    const open = (port: number) => {
      const at = { host: "127.0.0.1", port, zeroUdpChecksums: false };
      return BatchedDatagrams.open(
        libc,
        at,
        4754,
        () => {},
        0,
        () => {},
      );
    };
    const first = open(0);
    const sockets = [first, open(first.port)];
    for (const socket of sockets) socket.setReceiveBuffer(4096);
    const flood = `
      const { createSocket } = require("node:dgram");
      const socket = createSocket("udp4");
      const send = () => new Promise((resolve) => socket.send(Buffer.alloc(1000), ${first.port}, "127.0.0.1", resolve));
      Promise.all(Array.from({ length: 200 }, send)).then(() => socket.close());`;
    // Nobody reads while this process waits for another.
    expect(spawnSync(process.execPath, ["-e", flood]).status).toBe(0);
    const drops = sockets.map(({ fd, port }) => kernelDrops("udp", "127.0.0.1", port, fd) ?? -1);
    const queued = sockets.map(({ fd, port }) => kernelQueue("udp", "127.0.0.1", port, fd) ?? -1);
    for (const socket of sockets) await socket.close();
    expect([Math.min(...drops), Math.min(...queued)]).toEqual([0, 0]);
    expect(Math.max(...drops)).toBeGreaterThan(50);
    expect(Math.max(...queued)).toBeGreaterThan(1000);
  },
);

test.skipIf(reason)(titled("an address of IPv6 is found as the kernel writes it", reason), async (context) => {
  const socket = createSocket("udp6");
  const isBound = await new Promise<boolean>((resolve) => {
    socket.once("error", () => resolve(false)).bind(0, "::1", () => resolve(true));
  });
  if (!isBound) return context.skip();
  expect(kernelDrops("udp6", "::1", socket.address().port)).toBe(0);
  socket.close();
});
