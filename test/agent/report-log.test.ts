import { describe, expect, it } from "vitest";
import type { AgentCounters } from "../../collectors/agent/agent-contract.ts";
import { logCounters, warnOfLosses, warnOfTunnel } from "../../collectors/agent/report-log.ts";

const NONE: AgentCounters = {
  ...{
    seen: 9,
    selected: 5,
    sent: 5,
    reports: 0,
    cut: 0,
    failed: 0,
    refused: 0,
    tooLong: 0,
    dropped: 0,
    limited: 0,
    pausedMs: 0,
    lost: 0,
  },
  flows: { live: 1, opened: 1, evicted: 0, leftOut: 0 },
};

function warnings(counters: Partial<AgentCounters>, before: Partial<AgentCounters> | null): string[] {
  const lines: string[] = [];
  const log = { warn: (line: unknown) => void lines.push(String(line)) };
  const state = { address: "192.0.2.9", port: 4754, lastError: "ENOBUFS" };
  const [now, then] = [{ ...NONE, ...counters }, before === null ? null : { ...NONE, ...before }];
  warnOfTunnel(log, state, now, then);
  warnOfLosses(log, now, then);
  return lines;
}

describe("an agent's log", () => {
  it("names in its counts what the kernel lost, also that it lost nothing", () => {
    const lines: unknown[][] = [];
    const log = { info: (...line: unknown[]) => void lines.push(line) };
    logCounters(log, NONE, "agent router1 so far");
    logCounters(log, { ...NONE, lost: 12 }, "agent router1 ended");
    expect(lines).toEqual([
      [NONE, "agent router1 so far; 0 packets lost in this host's kernel"],
      [{ ...NONE, lost: 12 }, "agent router1 ended; 12 packets lost in this host's kernel"],
    ]);
  });

  it("warns of what the kernel dropped since the last time", () => {
    expect(warnings({ lost: 3 }, null)).toEqual([
      expect.stringMatching(/^this host's kernel dropped 3 packets before/),
    ]);
    expect(warnings({ lost: 4 }, { lost: 3 })).toEqual([expect.stringMatching(/ dropped 1 packet before/)]);
    expect(warnings({ lost: 4 }, { lost: 4 })).toEqual([]);
  });

  it("warns of copies that were one too many for the bound", () => {
    expect(warnings({ limited: 4 }, { limited: 3 })).toEqual([
      "1 copy not made: they would have taken more than limits.mbitPerSecond",
    ]);
  });

  it("warns of copies that failed, and that nobody listens, since the last time", () => {
    expect(warnings({ failed: 2, refused: 1 }, null)).toEqual([
      "2 copies could not be sent to 192.0.2.9 (ENOBUFS)",
      "nobody listens at 192.0.2.9 port 4754; is the collector running?",
    ]);
    expect(warnings({ failed: 2, refused: 1 }, { failed: 2, refused: 1 })).toEqual([]);
  });
});
