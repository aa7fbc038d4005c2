import { once } from "node:events";
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { ThreadDelivery } from "../../collectors/delivery/thread-delivery.ts";
import type { FromThread, ToThread } from "../../collectors/delivery/thread-messages.ts";
import { packBatch } from "../../collectors/outbox/batch.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";

test("a thread that takes nothing gets no more than the bound; the rest is shed, and the account holds", async () => {
  const delivery = new ThreadDelivery(collectorConfiguration.parse({ sink: { kind: "tcp" } }));
  const value = Buffer.alloc(2 ** 20);
  const record = { recordClass: "updated", topic: "t", key: "k", value, headers: {} } as const;
  // Not opened: nobody takes anything.
  for (let n = 0; n < 100; n++) delivery.append([record]);
  const { made, acknowledged, stored, shed } = delivery.stats();
  expect({ made, acknowledged, stored, shed }).toEqual({
    ...{ made: 100, acknowledged: 0, stored: 64 },
    shed: { "handover/updated": 36 },
  });
  expect(delivery.waiting()).toBe(64);
  await delivery.stop(0);
});

test("a thread whose sink cannot be closed says what became of all records", async () => {
  const server = createServer((socket) => void socket.resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const workerData = collectorConfiguration.parse({
    sink: { kind: "tcp", tcp: { host: "127.0.0.1", port: address.port } },
    outbox: { kind: "memory" },
    log: { level: "silent" },
  });
  const fault = "import net from 'node:net'; net.Socket.prototype.end = () => { throw new Error('no end'); };";
  const worker = new Worker(new URL("../../dist/collectors/delivery/delivery-thread.js", import.meta.url), {
    workerData,
    execArgv: ["--import", `data:text/javascript,${encodeURIComponent(fault)}`],
  });
  const heard: FromThread[] = [];
  worker.on("message", (message: FromThread) => {
    heard.push(message);
    if (message.kind === "stopped") void worker.terminate();
    if (message.kind !== "opened") return;
    const record = { recordClass: "ended", topic: "t", key: "k", value: Buffer.from("{}"), headers: {} } as const;
    worker.postMessage({ kind: "batch", batch: packBatch([record]), lost: {} } satisfies ToThread);
    worker.postMessage({ kind: "stop", limitMs: 5000 } satisfies ToThread);
  });
  await once(worker, "exit");
  server.close();
  expect(heard.at(-1)).toMatchObject({ kind: "stopped", taken: 1, stats: { made: 1, acknowledged: 1, stored: 0 } });
});
