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
const server = createServer();
afterEach(() => server.close());

/** Looks at a collector that answers with such pages: how many sessions there were, and what was asked. */
async function look(pages: Pages) {
  const asked: string[] = [];
  server.removeAllListeners("request").on("request", ({ url }, response) => {
    const { pathname, search, searchParams } = new URL(url ?? "", "http://collector");
    if (pathname === "/debug/totals") return response.end(JSON.stringify(report));
    if (pathname === "/debug/agents") return response.end(JSON.stringify({ streams: 0, agents: [], next: null }));
    asked.push(search);
    const { found, next } = pages[searchParams.get("from") ?? ""] ?? { found: 0, next: null };
    const sessions = Array.from({ length: Math.min(found, Number(searchParams.get("limit"))) }, (_, id) => ({ id }));
    return response.end(JSON.stringify({ live: 9000, sessions, next }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { sessions } = await lookAt(`http://127.0.0.1:${(server.address() as { port: number }).port}`, null);
  return { found: sessions.sessions.length, live: sessions.live, asked };
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
