import { expect, it } from "vitest";
import { debugRoutes } from "../../collectors/central/debug.ts";
import { emptyReport } from "../support/collector-report.ts";

const ledger = (n: number) => ({
  ...{
    name: `router${n}`,
    address: "192.0.2.1",
    key: n,
    encapsulation: "gre-in-udp" as const,
    packets: n,
    octets: 10 * n,
  },
  ...{ refused: 0, reports: 0, lost: 0, late: 0, duplicate: 0, restarted: 0, unheard: 0, reported: null },
  ...{ firstMicros: 0, lastMicros: 0 },
});
const report = { ...emptyReport(), agents: [1, 2, 3, 4, 5].map(ledger) };
const asked: [number, number][] = [];
const collector = {
  report: () => report,
  liveSessions: (from: number, limit: number) => {
    asked.push([from, limit]);
    return { sessions: [], next: 12 };
  },
};
const view = { name: "collector1", phase: "receiving" as const, collector, agents: [] };

async function ask(path: string, query: string, isOpen = true, started = true) {
  const routes = debugRoutes(view, () => (started ? report : null), isOpen);
  const page = await routes[path]?.page(new URLSearchParams(query));
  return page?.status === 200 ? JSON.parse(page.body) : [page?.status, page?.body];
}

it("asks for a token wherever it asks for anything", () => {
  expect(Object.values(debugRoutes(view, () => report, true)).map(({ guarded }) => guarded)).toEqual([
    true,
    true,
    true,
  ]);
});

it("tells nothing beyond loopback where there is no token", async () => {
  for (const path of ["/debug/sessions", "/debug/agents", "/debug/totals"]) {
    const [status, body] = await ask(path, "", false);
    expect([status, body]).toEqual([403, expect.stringMatching(/^beyond loopback .*: set admin\.token\n$/)]);
  }
});

it("says that it is starting", async () => {
  expect(await ask("/debug/totals", "", true, false)).toEqual([503, "it is starting\n"]);
});

it("hands on where sessions are to begin, and how many are wanted", async () => {
  expect(await ask("/debug/sessions", "")).toEqual({ live: 0, sessions: [], next: 12 });
  await ask("/debug/sessions", "from=12&limit=1000");
  expect(asked).toEqual([
    [0, 100],
    [12, 1000],
  ]);
});

it("tells agents a page at a time", async () => {
  const names = async (query: string) => {
    const { streams, agents, next } = await ask("/debug/agents", query);
    return [streams, agents.map(({ name }: { name: string }) => name), next];
  };
  expect(await names("limit=2")).toEqual([5, ["router1", "router2"], 2]);
  expect(await names("limit=2&from=4")).toEqual([5, ["router5"], null]);
  expect(await names("from=9")).toEqual([5, [], null]);
});

it.each([
  ["limit=0", "limit is a number from 1 to 1000\n"],
  ["limit=1001", "limit is a number from 1 to 1000\n"],
  ["limit=all", "limit is a number from 1 to 1000\n"],
  ["from=-1", "from is the number that the page before says as next\n"],
  ["form=1", "only from and limit can be asked for: ?from=0&limit=100\n"],
])("%s is refused", async (query, said) => {
  expect(await ask("/debug/sessions", query)).toEqual([400, said]);
});
