import { describe, expect, it } from "vitest";
import type { AgentCounters } from "../../collectors/agent/agent-contract.ts";
import { logCounters, TunnelWarnings, warnOfLosses } from "../../collectors/agent/report-log.ts";

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
  const [now, then] = [{ ...NONE, ...counters }, before === null ? null : { ...NONE, ...before }];
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

  it("warns of copies that found the send queue full", () => {
    expect(warnings({ dropped: 7 }, { dropped: 3 })).toEqual([
      "4 copies not made: the send queue was full, for the kernel does not send them as fast as they come",
    ]);
    expect(warnings({ dropped: 7 }, { dropped: 7 })).toEqual([]);
  });

  describe("of the way to a collector", () => {
    const state = { address: "192.0.2.9", port: 4754, lastError: "ENOBUFS" };
    const NOBODY = "nobody listens at 192.0.2.9 port 4754; is the collector running?";
    const lines: string[] = [];
    const told = () => lines.splice(0);
    const watch = (tellsCut = true) =>
      new TunnelWarnings({ warn: (line: unknown) => void lines.push(String(line)) }, tellsCut);
    const looking = (warnings: TunnelWarnings, counters: Partial<AgentCounters>, second: number) => {
      warnings.look(state, { ...NONE, ...counters }, 1434, second * 1000);
      return told();
    };

    it("warns in a report of copies that failed since the last", () => {
      const warnings = watch();
      warnings.report(state, { ...NONE, failed: 2 });
      expect(told()).toEqual(["2 copies could not be sent to 192.0.2.9 (ENOBUFS)"]);
      warnings.report(state, { ...NONE, failed: 2 });
      expect(told()).toEqual([]);
    });

    it("warns at the first look that nobody listens, and not again before copies went a minute without a refusal", () => {
      const warnings = watch();
      expect(looking(warnings, { sent: 5 }, 0)).toEqual([]);
      expect(looking(warnings, { sent: 6, refused: 1 }, 1)).toEqual([NOBODY]);
      expect(looking(warnings, { sent: 9, refused: 1 }, 31)).toEqual([]);
      expect(looking(warnings, { sent: 9, refused: 2 }, 32)).toEqual([]);
      // Nothing was sent, so nobody knows.
      expect(looking(warnings, { sent: 9, refused: 2 }, 200)).toEqual([]);
      expect(looking(warnings, { sent: 10, refused: 3 }, 201)).toEqual([]);
      expect(looking(warnings, { sent: 20, refused: 3 }, 261)).toEqual([]);
      expect(looking(warnings, { sent: 21, refused: 4 }, 262)).toEqual([NOBODY]);
    });

    it("warns once that copies are cut, where nobody asked for it", () => {
      const warnings = watch();
      expect(looking(warnings, {}, 0)).toEqual([]);
      expect(looking(warnings, { cut: 1 }, 1)).toEqual([
        "packets of more than 1434 octets are cut: no longer copies fit the way to 192.0.2.9; a larger MTU on it, or fragment: true, has them whole",
      ]);
      expect(looking(warnings, { cut: 9 }, 2)).toEqual([]);
      expect(looking(watch(false), { cut: 9 }, 3)).toEqual([]);
    });
  });
});
