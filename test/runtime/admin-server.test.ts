import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { AdminServer, type Page } from "../../collectors/runtime/admin-server.ts";

const page = (status: Page["status"], body: string) => () => ({ status, type: "text/plain", body });
let server: AdminServer | null = null;
let base = "";
/** Ends the answers of /slow. */
const slow: (() => void)[] = [];
afterEach(() => server?.close());

async function serve(
  token: string | null,
  silenceMs?: number,
): Promise<(path: string, init?: RequestInit) => Promise<[number, string]>> {
  server = new AdminServer(
    {
      "/open": { guarded: false, page: page(200, "o") },
      "/guarded": { guarded: true, page: page(200, "g") },
      "/addressed": { guarded: true, byAddress: true, page: page(200, "a") },
      "/slow": {
        guarded: false,
        page: () => new Promise<Page>((resolve) => slow.push(() => resolve(page(200, "s")()))),
      },
      "/unwell": { guarded: false, page: page(503, "u") },
      "/fault": {
        guarded: false,
        page: () => {
          throw new Error("hidden");
        },
      },
    },
    token,
    silenceMs,
  );
  base = `http://127.0.0.1:${await server.listen("127.0.0.1", 0)}`;
  return async (path, init) => {
    const response = await fetch(`${base}${path}`, init);
    return [response.status, await response.text()];
  };
}

/** Connections that have said so much. */
async function connections(count: number, said: string): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let n = 0; n < count; n++) {
    const socket = connect(Number(new URL(base).port), "127.0.0.1").on("error", () => {});
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(said);
  }
  return sockets;
}

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } });

describe("an admin server", () => {
  it("answers on its paths, and elsewhere with their list", async () => {
    const get = await serve(null);
    expect(await get("/open?x=1")).toEqual([200, "o"]);
    expect(await get("/unwell")).toEqual([503, "u"]);
    expect(await get("/")).toEqual([404, "/open\n/guarded\n/addressed\n/slow\n/unwell\n/fault\n"]);
    expect(await get("/open", { method: "HEAD" })).toEqual([200, ""]);
  });

  it("only lets itself be asked", async () => {
    const get = await serve(null);
    expect((await get("/open", { method: "POST", body: "x" }))[0]).toBe(405);
  });

  it("asks for its token where it has one, on guarded paths", async () => {
    const get = await serve("right");
    expect((await get("/guarded"))[0]).toBe(401);
    expect((await get("/guarded", bearer("wrong")))[0]).toBe(401);
    expect((await get("/guarded", { headers: { authorization: "Basic cmlnaHQ=" } }))[0]).toBe(401);
    expect(await get("/guarded", bearer("right"))).toEqual([200, "g"]);
    expect((await get("/open"))[0]).toBe(200);
  });

  it("asks for none where it has none", async () => {
    expect(await (await serve(null))("/guarded")).toEqual([200, "g"]);
  });

  it.each([
    ["127.0.0.1:9464", null, 200],
    ["[::1]:9464", null, 200],
    ["localhost", null, 200],
    ["rebound.example.net:9464", null, 403],
    ["rebound.example.net", "right", 200],
  ])("lets who calls it %s, with the token %s, ask what a name must not lead to: %d", async (host, token, status) => {
    await serve(token);
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    socket.write(`GET /addressed HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer right\r\n\r\n`);
    expect(await text(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it("says no more of a fault of its own than that it is one", async () => {
    expect(await (await serve(null))("/fault")).toEqual([500, "a fault of rejoin itself\n"]);
  });

  it("answers though 32 connections say nothing: the oldest without a whole request gives way", async () => {
    const get = await serve(null);
    const sockets = await connections(32, "");
    const [oldest, next] = sockets;
    oldest?.write("GET /open HTTP/1.1\r\n");
    expect((await get("/open"))[0]).toBe(200);
    expect(oldest?.closed || (await once(oldest as Socket, "close"))).toBeTruthy();
    expect((await Promise.all(Array.from({ length: 40 }, () => get("/open")))).map(([status]) => status)).toEqual(
      Array(40).fill(200),
    );
    expect([next?.closed, sockets.at(-1)?.closed]).toEqual([true, false]);
  });

  it("closes a 33rd connection at once where 32 are being answered, which stay, and answers again when they have gone", async () => {
    const get = await serve(null);
    const sockets = await connections(32, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    while (slow.length < 32) await sleep(5);
    await once(connect(Number(new URL(base).port), "127.0.0.1"), "close");
    for (const answer of slow.splice(0)) answer();
    for (const said of await Promise.all(sockets.map((socket) => text(socket)))) expect(said).toMatch(/ 200 .*^s\r$/ms);
    expect((await get("/open"))[0]).toBe(200);
  });

  it("gives a connection one answer", async () => {
    await serve(null);
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    socket.write("GET /open HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100));
    const said = await text(socket);
    expect(said.match(/^HTTP/gm)).toHaveLength(1);
    expect(said).toMatch(/^connection: close\r$/im);
  });

  it("lets go who sends half a request", { timeout: 15_000 }, async () => {
    await serve(null);
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    socket.write("GET /open HTTP/1.1\r\n");
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("lets go who says nothing", async () => {
    await serve(null, 50);
    const socket = connect(Number(new URL(base).port), "127.0.0.1");
    await once(socket, "close");
  });

  it("is refused an address that somebody has, in one line", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    server = new AdminServer({}, null);
    await expect(server.listen("127.0.0.1", port)).rejects.toThrow(
      new RegExp(
        `^the admin address 127\\.0\\.0\\.1:${port} cannot be had: .*EADDRINUSE.*; say another as admin\\.listen$`,
      ),
    );
    other.close();
  });
});
