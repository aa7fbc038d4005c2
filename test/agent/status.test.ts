import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askStatus, serveStatus, statusOf } from "../../collectors/agent/status.ts";

// More than a socket's buffers hold: whoever does not read it keeps its connection.
const LONG = "x".repeat(4 << 20);

let folder: string;
let path: string;
const servers: Server[] = [];
const sockets: Socket[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-status-"));
  path = join(folder, "agent.sock");
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

/** Somebody else at the socket's path. */
async function stranger(meet: (socket: Socket) => void): Promise<void> {
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => {}));
    meet(socket);
  }).listen(path);
  servers.push(server);
  await once(server, "listening");
}

/** Sixteen who ask and do not read. */
async function idlers(): Promise<Socket[]> {
  const idle = Array.from({ length: 16 }, () => createConnection(path).on("error", () => {}));
  sockets.push(...idle);
  await Promise.all(idle.map((connection) => once(connection, "readable")));
  return idle;
}

describe("a status socket", () => {
  it("in a directory that is not there is refused, with how to make it", async () => {
    const missing = join(folder, "missing");
    await expect(serveStatus(join(missing, "agent.sock"), () => ({}))).rejects.toThrow(
      `status.socket: there is no directory ${missing} (ENOENT); make it: install -d -m 750 ${missing}`,
    );
  });

  it("answers who asks", async () => {
    servers.push(await serveStatus(path, () => ({ copies: 7 })));
    expect(JSON.parse(await askStatus(path))).toEqual({ copies: 7 });
  });

  it("answers sixteen at a time", async () => {
    servers.push(await serveStatus(path, () => LONG));
    const idle = await idlers();
    expect(await askStatus(path)).toBe("");
    for (const connection of idle) connection.destroy();
    await expect.poll(async () => (await askStatus(path)).length).toBe(LONG.length + 3);
  });

  it("waits for nobody who does not read", async () => {
    servers.push(await serveStatus(path, () => LONG, 100));
    await idlers();
    await expect.poll(async () => (await askStatus(path)).length).toBe(LONG.length + 3);
  });

  it("replaces what a dead agent left", async () => {
    // A listener that goes without close() leaves its socket.
    const script = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    expect(() => execFileSync(process.execPath, ["-e", script, path], { stdio: "ignore" })).toThrow();
    expect(existsSync(path)).toBe(true);
    servers.push(await serveStatus(path, () => 1));
    expect(await askStatus(path)).toBe("1\n");
  });

  it("is refused where somebody listens, who need not answer", async () => {
    await stranger(() => {});
    await expect(serveStatus(path, () => 1)).rejects.toThrow(`status.socket: somebody listens at ${path} already`);
  });

  it("is refused where something stands that is no socket, which stays", async () => {
    writeFileSync(path, "precious");
    const refusal = `status.socket: ${path} is there and is no socket; say another path`;
    await expect(serveStatus(path, () => 1)).rejects.toThrow(refusal);
    expect(readFileSync(path, "utf8")).toBe("precious");
    rmSync(path);
    mkdirSync(path);
    await expect(serveStatus(path, () => 1)).rejects.toThrow(refusal);
    rmSync(path, { recursive: true });
    symlinkSync("elsewhere", path);
    await expect(serveStatus(path, () => 1)).rejects.toThrow(refusal);
  });

  it("is refused below a path that is no folder", async () => {
    writeFileSync(path, "");
    await expect(serveStatus(join(path, "x"), () => 1)).rejects.toThrow(/x cannot be made \(ENOTDIR\)/);
  });
});

describe("who asks for the status", () => {
  it("gives up on one who says nothing", async () => {
    await stranger(() => {});
    await expect(askStatus(path, 50)).rejects.toThrow(`no agent answers at ${path} (no whole answer in 0.05 s)`);
  });

  it("gives up on one who does not end", async () => {
    await stranger((socket) => {
      const timer = setInterval(() => socket.write("1"), 5);
      socket.on("close", () => clearInterval(timer));
    });
    await expect(askStatus(path, 50)).rejects.toThrow(`no agent answers at ${path}`);
  });

  it("reads no more than 16 MiB", async () => {
    await stranger((socket) => socket.end("1".repeat(2 ** 24 + 1)));
    await expect(askStatus(path)).rejects.toThrow(`no agent answers at ${path} (more than 16,777,216 octets)`);
  });

  it("is told where nobody listens", async () => {
    await expect(askStatus(path)).rejects.toThrow(`no agent answers at ${path} (ENOENT)`);
  });

  it("is told of an answer that no agent gives", () => {
    expect(() => statusOf("<html>", path)).toThrow(`who answers at ${path} is no agent`);
    expect(() => statusOf("", path)).toThrow("too many ask");
    expect(() => statusOf("null", path)).toThrow(`the agent at ${path} is starting; ask again`);
    expect(statusOf('{"seen":1}', path)).toEqual({ seen: 1 });
  });
});
