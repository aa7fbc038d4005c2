import { describe, expect, it } from "vitest";
import { PLAIN } from "../../collectors/terminal/style.ts";
import type { Look } from "../../collectors/top/look.ts";
import { view } from "../../collectors/top/view.ts";
import { emptyReport } from "../support/collector-report.ts";

const session = (n: number, octets: number, more: object = {}) => ({
  ...{ id: `${n}0f3c5a7b9d1e2f4a6b8c`, evidence: "handshake" as const, version: 1 as const, fallback: null },
  ...{ start: "2026-11-27T02:48:47.863292Z", last: "2026-11-27T02:48:48.624382Z" },
  initiator: { ip: `10.1.0.${n}`, port: 40_000 + n },
  responder: { ip: "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", port: 443 },
  subflows: { all: 3, open: 2 },
  octets: { initiator: octets, responder: 0, missing: 0 },
  agents: ["router1"],
  ...more,
});

const ledger = (name: string, packets: number, lost = 0) => ({
  ...{ name, address: "192.0.2.1", key: null, encapsulation: "gre-in-udp" as const, packets, octets: 10 * packets },
  ...{ refused: 0, reports: 0, lost, late: 0, duplicate: 0, restarted: 0, unheard: 0, reported: null },
  ...{ firstMicros: 0, lastMicros: 0 },
});

function lookAt(
  seconds: number,
  change: { packetsIn?: number; agents?: object[]; sessions?: object[]; live?: number } = {},
): Look {
  const { agents: _, ...report } = emptyReport();
  const { packetsIn = 0, agents = [], sessions = [], live = sessions.length } = change;
  return {
    totals: {
      ...report,
      totals: { ...report.totals, packetsIn },
      ...{ name: "collector1", version: "0.1.0", phase: "receiving", uptimeMs: seconds * 1000 },
    },
    agents: { streams: agents.length, agents: agents as Look["agents"]["agents"], next: null },
    sessions: { live, sessions: sessions as Look["sessions"]["sessions"], next: null },
    atMs: seconds * 1000,
  };
}

const room = (width: number, height: number) => ({ width, height, style: PLAIN });

describe("what top shows", () => {
  it("has rates between two looks, and none of one", () => {
    const before = lookAt(100, { packetsIn: 1000, agents: [ledger("router1", 500)], sessions: [session(1, 1000)] });
    const after = lookAt(104, { packetsIn: 9000, agents: [ledger("router1", 2500)], sessions: [session(1, 9000)] });
    const [, packets] = view(after, before);
    expect(packets).toMatch(/^packets {3}2,000\/s, /);
    expect(view(after, before).find((line) => line.startsWith("router1"))).toMatch(/^router1 +500 +2,500 +0 /);
    expect(view(after, before).find((line) => line.startsWith("10f3c5a7"))).toMatch(
      / 2\/3 +2\.00 kB 9\.00 kB +0 B +0 B router1$/,
    );
    expect(view(after, null)[1]).toMatch(/^packets {3}-\/s, - Mbit\/s/);
  });

  it("has no rate below zero where the collector has begun anew", () => {
    const before = lookAt(100, { packetsIn: 1000 });
    const after = { ...lookAt(1, { packetsIn: 5 }), atMs: 102_000 };
    expect(view(after, before)[1]).toMatch(/^packets {3}-\/s/);
  });

  it("puts the busiest session first, and tells what is odd about one", () => {
    const before = lookAt(1, { sessions: [session(1, 5000), session(2, 0), session(3, 0)] });
    const odd = [session(3, 0, { fallback: "checksum" }), session(4, 0, { evidence: "orphan" })];
    const lines = view(lookAt(2, { sessions: [session(1, 5000), session(2, 10), ...odd], live: 70_000 }), before);
    const at = lines.findIndex((line) => line.startsWith("SESSION"));
    expect(lines[at]).toMatch(/\(of 4 of 70,000\)$/);
    expect(lines.slice(at + 1).map((line) => line[0])).toEqual(["2", "1", "3", "4"]);
    expect(lines.at(-2)).toMatch(/ router1 \(plain TCP: checksum\)$/);
    expect(lines.at(-1)).toMatch(/ router1 \(orphan\)$/);
  });

  it.each([
    [80, 24],
    [200, 50],
    [40, 8],
    [80, 3],
  ])("fits %d columns and %d lines", (width, height) => {
    const many = lookAt(1, {
      agents: Array.from({ length: 90 }, (_, n) => ledger(`a-router-of-a-rather-long-name-${n}`, n)),
      sessions: Array.from({ length: 300 }, (_, n) => session(n % 10, n)),
    });
    const lines = view(many, null, room(width, height));
    expect(lines).toHaveLength(height);
    expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(width);
  });

  it.each([
    [null, null],
    [300, 50],
  ])("shows what would move a terminal's cursor as dots, in every field, in %s columns", (width, height) => {
    const sequence = "\u001b]0;x\u0007";
    const odd = { initiator: { ip: sequence, port: 1 }, agents: [sequence], evidence: sequence, id: sequence };
    const look = lookAt(1, { agents: [ledger(`a${sequence}`, 1)], sessions: [session(1, 0, odd)] });
    const totals = { ...look.totals, phase: sequence, name: sequence, tables: { [sequence]: { used: 1, bound: 2 } } };
    const lines = view({ ...look, totals: totals as Look["totals"] }, null, { width, height, style: PLAIN });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(lines.filter((line) => /[\u0000-\u001f\u007f]/.test(line))).toEqual([]);
    expect(lines.find((line) => line.startsWith("a·]0;x·"))).toBeDefined();
  });

  it("says where nothing is to be seen", () => {
    expect(view(lookAt(1), null)).toEqual(
      expect.arrayContaining(["nobody has sent anything yet", "no session is open"]),
    );
  });

  it("names agents that never sent, above those that did", () => {
    const look = lookAt(1, { agents: [ledger("router1", 5)] });
    const lines = view({ ...look, totals: { ...look.totals, silentAgents: ["router2", "router3"] } }, null);
    const at = lines.indexOf("never sent since the start (2): router2, router3");
    expect([lines[at - 1], lines[at + 1]]).toEqual([
      expect.stringMatching(/^AGENT /),
      expect.stringMatching(/^router1 /),
    ]);
  });

  it("names the fullest tables first", () => {
    const look = lookAt(1);
    const tables = { sessions: { used: 1, bound: 100 }, subflows: { used: 9, bound: 10 } };
    expect(view({ ...look, totals: { ...look.totals, tables } }, null)).toContain(
      "tables    subflows 90 %, sessions 1 %",
    );
  });
});
