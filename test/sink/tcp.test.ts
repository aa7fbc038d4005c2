import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { TcpSink } from "../../collectors/sink/tcp.ts";

const log = pino({ level: "silent" });
const never = new AbortController().signal;
const record = (n: number, pad = 0): OutboxRecord => ({
  ...{ recordClass: "ended", topic: "t", key: "k", headers: {} },
  value: Buffer.from(JSON.stringify({ n, pad: "x".repeat(pad) })),
});

describe("TcpSink", () => {
  let server: Server;
  let sockets: Socket[];
  let text: string;
  beforeEach(async () => {
    sockets = [];
    text = "";
    server = createServer((socket) => {
      sockets.push(socket);
      socket
        .on("error", () => {})
        .on("data", (chunk) => {
          text += chunk;
        });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const port = () => (server.address() as AddressInfo).port;
  const sinkTo = (to: number) => new TcpSink({ host: "127.0.0.1", port: to, tls: null }, log);

  test("a record is a line", async () => {
    const sink = sinkTo(port());
    await sink.open();
    expect(await sink.send([record(1), record(2)], never)).toEqual(["acknowledged", "acknowledged"]);
    await sink.close();
    while (text.split("\n").length < 3) await sleep(5);
    expect(text).toBe('{"n":1,"pad":""}\n{"n":2,"pad":""}\n');
  });

  test("a reader that went away: the batch goes to the next connection", async () => {
    const sink = sinkTo(port());
    await sink.open();
    await sink.send([record(1)], never);
    sockets[0]?.destroy();
    await sleep(50);
    await sink.send([record(2)], never);
    await sink.close();
    while (!text.includes('"n":2')) await sleep(5);
    expect(sockets).toHaveLength(2);
  });

  test("a reader that stands still: nothing is acknowledged, and the signal ends the waiting", async () => {
    const sink = sinkTo(port());
    await sink.open();
    while (sockets.length === 0) await sleep(5);
    sockets[0]?.pause();
    const abort = new AbortController();
    const sending = sink.send(
      Array.from({ length: 30 }, (_, n) => record(n, 1_000_000)),
      abort.signal,
    );
    await sleep(200);
    abort.abort();
    expect(new Set(await sending)).toEqual(new Set(["unsent"]));
    sockets[0]?.destroy();
    await sink.close();
  });

  test("nobody there is one clear line, and worth another attempt", async () => {
    const gone = port();
    server.close();
    await expect(sinkTo(gone).open()).rejects.toMatchObject({
      code: "TCP_UNREACHABLE",
      retriable: true,
      message: expect.stringMatching(/^127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/),
    });
  });
});
