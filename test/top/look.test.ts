import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, expect, it } from "vitest";
import { lookAt } from "../../collectors/top/look.ts";
import { emptyReport } from "../support/collector-report.ts";

/** Of a table whose sessions stand here and there: what pages have, by where they begin. */
interface Pages {
  readonly [from: string]: { readonly found: number; readonly next: number | null };
}

const { agents: _, ...report } = emptyReport();
const totals = { ...report, name: "collector1", version: "0.1.0", phase: "receiving", uptimeMs: 1000 };
const agents = { streams: 0, agents: [], next: null };
const session = {
  ...{ id: "0f3c5a7b9d1e2f4a", evidence: "handshake", version: 1, fallback: null },
  ...{ start: "2026-11-27T02:48:47.863292Z", last: "2026-11-27T02:48:48.624382Z" },
  ...{ initiator: { ip: "10.1.0.1", port: 40_000 }, responder: { ip: "10.2.0.1", port: 443 }, agents: ["router1"] },
  ...{ subflows: { all: 1, open: 1 }, octets: { initiator: 1, responder: 2, missing: 0 } },
};
const sessions = { live: 1, sessions: [session], next: null };
const server = createServer();
afterEach(() => server.close());

/** Looks at a collector that answers with such pages: how many sessions there were, and what was asked. */
async function look(pages: Pages) {
  const asked: string[] = [];
  server.removeAllListeners("request").on("request", ({ url }, response) => {
    const { pathname, search, searchParams } = new URL(url ?? "", "http://collector");
    if (pathname === "/debug/totals") return response.end(JSON.stringify(totals));
    if (pathname === "/debug/agents") return response.end(JSON.stringify(agents));
    asked.push(search);
    const { found, next } = pages[searchParams.get("from") ?? ""] ?? { found: 0, next: null };
    const page = Array<object>(Math.min(found, Number(searchParams.get("limit")))).fill(session);
    return response.end(JSON.stringify({ live: 9000, sessions: page, next }));
  });
  const { sessions } = await lookAt(await listening(), null);
  return { found: sessions.sessions.length, live: sessions.live, asked };
}

/** The server's address. */
async function listening(): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

it("asks for pages until there is no further one, though the first has no session", async () => {
  const pages = {
    0: { found: 0, next: 65_536 },
    65536: { found: 300, next: 131_072 },
    131072: { found: 5, next: null },
  };
  expect(await look(pages)).toEqual({
    ...{ found: 305, live: 9000 },
    asked: ["?from=0&limit=1000", "?from=65536&limit=1000", "?from=131072&limit=700"],
  });
});

it("asks for no more than 1,000 sessions", async () => {
  const pages = { 0: { found: 600, next: 65_536 }, 65536: { found: 600, next: 70_000 } };
  const { found, asked } = await look(pages);
  expect([found, asked]).toEqual([1000, ["?from=0&limit=1000", "?from=65536&limit=400"]]);
});

it("does not ask for ever where pages lead back", async () => {
  await expect(look({ 0: { found: 0, next: 0 } })).rejects.toThrow(/is no collector of this version$/);
});

it.each([
  ["totals without sources", { totals: { ...totals, sources: undefined } }],
  ["totals that are no numbers", { totals: { ...totals, uptimeMs: "1" } }],
  ["an agent that is null", { agents: { ...agents, agents: [null] } }],
  ["a session without ends", { sessions: { ...sessions, sessions: [{ ...session, initiator: null }] } }],
  ["more than was asked for", { sessions: { ...sessions, sessions: Array<object>(1001).fill(session) } }],
  ["null", { agents: null }],
])("does not take %s for a collector's", async (_, change) => {
  const answers: Record<string, unknown> = { totals, agents, sessions, ...change };
  server.removeAllListeners("request").on("request", ({ url }, response) => {
    response.end(JSON.stringify(answers[new URL(url ?? "", "http://collector").pathname.split("/").at(-1) ?? ""]));
  });
  await expect(lookAt(await listening(), null)).rejects.toThrow(/is no collector of this version$/);
});

it("takes no more than 16 MiB, and waits for no answer then", async () => {
  let sent = 0;
  server.removeAllListeners("request").on("request", ({ url }, response) => {
    if (url !== "/debug/totals") return;
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, " "))) sent += 65_536;
    };
    response.on("drain", more);
    more();
  });
  const beganMs = performance.now();
  await expect(lookAt(await listening(), null)).rejects.toThrow(/\(more than 16,777,216 octets\)/);
  expect(performance.now() - beganMs).toBeLessThan(4000);
  expect(sent).toBeLessThan(64 * 2 ** 20);
});

it("waits for all answers together no longer than five seconds", async () => {
  // One octet now and then.
  server.removeAllListeners("request").on("request", (_, response) => {
    const dripping = setInterval(() => response.write(" "), 100);
    response.on("close", () => clearInterval(dripping));
  });
  await expect(lookAt(await listening(), null)).rejects.toThrow(/\(no whole answer in 5 s\)/);
}, 15_000);

it("says why a port that fetch does not ask gives no answer", async () => {
  await expect(lookAt("http://127.0.0.1:1", null)).rejects.toThrow(
    "no collector answers at http://127.0.0.1:1 (bad port)",
  );
});

it.each([
  [null, "asks for the token of admin.token"],
  ["another", "refuses this token, and asks for that of admin.token"],
])("is told by who answers 401 to token %s", async (token, how) => {
  server.removeAllListeners("request").on("request", (_, response) => response.writeHead(401).end());
  const base = await listening();
  await expect(lookAt(base, token)).rejects.toThrow(`${base} ${how}: --config, or --token-file`);
});
