import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as setImmediately, setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { TcpSink } from "../../collectors/sink/tcp.ts";
import { needs, titled } from "../support/requirements.ts";

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
    while (!text.includes('"n":1')) await sleep(5);
    const [socket] = sockets;
    // Closed here once the sink has closed its own side.
    if (socket !== undefined) await once(socket.end(), "close");
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

  test("a reader that is slow, but reads, gets a batch that takes it longer than one may stand still", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const sink = sinkTo(port());
      await sink.open();
      while (sockets.length === 0) await setImmediately();
      const sending = sink.send(
        Array.from({ length: 30 }, (_, n) => record(n, 1_000_000)),
        never,
      );
      let isDone = false;
      void sending.then(() => {
        isDone = true;
      });
      let isDropped = false;
      sockets[0]?.once("close", () => {
        isDropped = true;
      });
      // Two seconds pass before each further megabyte.
      for (let enough = 1_000_000; !isDone && !isDropped; enough += 1_000_000) {
        sockets[0]?.pause();
        await vi.advanceTimersByTimeAsync(2000);
        sockets[0]?.resume();
        while (text.length < enough && !isDone && !isDropped) await setImmediately();
      }
      expect(isDropped).toBe(false);
      expect(new Set(await sending)).toEqual(new Set(["acknowledged"]));
      await sink.close();
    } finally {
      vi.useRealTimers();
    }
  });

  const noCertificate = needs("openssl");
  test.skipIf(noCertificate !== undefined)(
    titled("over TLS an address is no server name, and the certificate is held against it", noCertificate),
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "rejoin-tls-"));
      const [keyFile, caFile] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
      const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=test";
      const names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:sink.test", "-keyout", keyFile, "-out", caFile];
      execFileSync("openssl", [...request.split(" "), ...names], { stdio: "ignore" });
      const asked: (string | false | null)[] = [];
      const tlsServer = createTlsServer({ key: readFileSync(keyFile), cert: readFileSync(caFile) }, (socket) => {
        sockets.push(socket.on("error", () => {}));
        asked.push((socket as { servername?: string | false | null }).servername ?? null);
      }).listen(0, "127.0.0.1");
      await once(tlsServer, "listening");
      const to = (tlsServer.address() as AddressInfo).port;
      const files = { caFile, certificateFile: null, keyFile: null, minVersion: "TLSv1.3" } as const;
      for (const serverName of [null, "sink.test"]) {
        const sink = new TcpSink({ host: "127.0.0.1", port: to, tls: { ...files, serverName } }, log);
        await sink.open();
        await sink.close();
      }
      const other = new TcpSink({ host: "127.0.0.1", port: to, tls: { ...files, serverName: "other.test" } }, log);
      await expect(other.open()).rejects.toThrow(/altnames/);
      expect(asked.slice(0, 2)).toEqual([false, "sink.test"]);
      tlsServer.close();
      rmSync(folder, { recursive: true });
    },
  );

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
