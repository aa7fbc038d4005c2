import { createSocket } from "node:dgram";
import { expect, test } from "vitest";
import { dropsIn, kernelDrops, kernelQueue, queuedIn } from "../../../collectors/central/source/kernel-drops.ts";
import { needs, titled } from "../../support/requirements.ts";

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  107: 00000000:1292 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 12
  108: 0100007F:1292 00000000:0000 07 00000000:00000A00 00:00000000 00000000     0        0 4712 2 0000000000000000 30
  109: 0100007F:1293 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 500
`;

test("the drops of own sockets at the port", () => {
  expect(dropsIn(TABLE, new Set(["4711", "4712", "4713"]), 0x1292)).toBe(42);
  expect(dropsIn(TABLE, new Set(["4712"]), 0x1292)).toBe(30);
  expect(dropsIn(TABLE, new Set(["4713"]), 0x1292)).toBeNull();
  expect(dropsIn("", new Set(), 1)).toBeNull();
});

test("what waits in the receive queues of own sockets at the port", () => {
  expect(queuedIn(TABLE, new Set(["4711", "4712", "4713"]), 0x1292)).toBe(0xa00);
  expect(queuedIn(TABLE, new Set(["4711"]), 0x1292)).toBe(0);
  expect(queuedIn(TABLE, new Set(["4713"]), 0x1292)).toBeNull();
});

const reason = needs("Linux");
test.skipIf(reason)(titled("the kernel's own count: a flood that nobody reads", reason), async () => {
  const receiver = createSocket("udp4");
  await new Promise<void>((resolve) => receiver.bind(0, "127.0.0.1", resolve));
  receiver.setRecvBufferSize(4096);
  const { port } = receiver.address();
  expect([kernelDrops("udp", port), kernelQueue("udp", port)]).toEqual([0, 0]);
  const sender = createSocket("udp4");
  const sent = Array.from(
    { length: 200 },
    () => new Promise((resolve) => sender.send(Buffer.alloc(1000), port, "127.0.0.1", resolve)),
  );
  await Promise.all(sent);
  expect(kernelDrops("udp", port)).toBeGreaterThan(50);
  expect(kernelQueue("udp", port)).toBeGreaterThan(1000);
  sender.close();
  receiver.close();
});
