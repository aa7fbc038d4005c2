import { describe, expect, it } from "vitest";
import type { CollectorReport } from "../../collectors/central/collector-contract.ts";
import { warnOfLosses } from "../../collectors/central/report-log.ts";
import { emptyReport } from "../support/collector-report.ts";

/** A report of so many packets that found no room for their session, octets left in a socket, and drops of its kernel. */
function reportOf(full: number, unreadOctets: number | null, ...drops: (number | null)[]): CollectorReport {
  const report = emptyReport();
  return {
    ...report,
    totals: { ...report.totals, packets: full === 0 ? {} : { "session/table-full": full } },
    sources: [0, ...drops].map((kernelDrops, n) => ({
      ...{ name: `udp ${4754 + n}`, packets: 0, octets: 0, kernelDrops },
      unreadOctets: n === 0 ? unreadOctets : 0,
    })),
  };
}

function warnings(report: CollectorReport, before: CollectorReport | null): string[] {
  const lines: string[] = [];
  warnOfLosses({ warn: (_: unknown, line?: string) => void lines.push(line ?? "") }, report, before);
  return lines;
}

describe("a collector's warnings", () => {
  it("say that the table of sessions is full, and again only when that cost more", () => {
    expect(warnings(reportOf(7, 0), null)).toEqual([expect.stringMatching(/table of sessions is full.* 7 packets/)]);
    expect(warnings(reportOf(9, 0), reportOf(7, 0))).toEqual([expect.stringMatching(/ 2 packets/)]);
    expect(warnings(reportOf(9, 0), reportOf(9, 0))).toEqual([]);
  });

  it("say who was refused, and again only when there were more", () => {
    const refused = (packets: number, key: number | null) => {
      const report = reportOf(0, 0);
      const totals = { ...report.totals, packets: { "decapsulate/agent-unknown": packets } };
      return { ...report, totals, stranger: { address: "192.0.2.7", key } };
    };
    expect(warnings(refused(3, 77), null)).toEqual([
      "3 packets of senders that no --agent names: refused, and in no record; the last came from 192.0.2.7 with key 77",
    ]);
    expect(warnings(refused(4, null), refused(3, 77))).toEqual([
      expect.stringMatching(/^1 packet of senders .* from 192\.0\.2\.7 without a key$/),
    ]);
    expect(warnings(refused(3, 77), refused(3, 77))).toEqual([]);
  });

  it("name who may send and never did, each once", () => {
    const silent = (...silentAgents: string[]) => ({ ...reportOf(0, 0), silentAgents });
    expect(warnings(silent("router2"), null)).toEqual([
      expect.stringMatching(/^nothing has come since the start of 1 agent that may send: router2; /),
    ]);
    expect(warnings(silent("router2", "router9"), silent("router2"))).toEqual([
      expect.stringMatching(/ 1 agent that may send: router9; /),
    ]);
    expect(warnings(silent("router2"), silent("router2"))).toEqual([]);
    expect(warnings(silent(..."abcdefg"), null)).toEqual([
      expect.stringMatching(/ 7 agents .*: a, b, c, d, e and 2 others;/),
    ]);
  });

  it("say what of sessions told as plain TCP the disk did not take in time, and again only when it was more", () => {
    const told = (behind: number) => {
      const plainTcp = {
        packets: 9,
        written: 2,
        shed: { behind, failed: 0 },
        captures: 0,
        deleted: 0,
        untoldOctets: 0,
      };
      return { ...reportOf(0, 0), plainTcp };
    };
    expect(warnings(told(5), null)).toEqual([
      expect.stringMatching(/^the disk of plainTcp.directory .*: 5 packets of/),
    ]);
    expect(warnings(told(6), told(5))).toEqual([expect.stringMatching(/: 1 packet of sessions/)]);
    expect([warnings(told(6), told(6)), warnings(told(0), null)]).toEqual([[], []]);
  });

  it("say what the kernel dropped at each source, and again only when it dropped more", () => {
    expect(warnings(reportOf(0, 0, 5, 1), null)).toEqual([
      expect.stringMatching(/^udp 4755: this host's kernel dropped 5 packets/),
      expect.stringMatching(/^udp 4756: this host's kernel dropped 1 packet,/),
    ]);
    expect(warnings(reportOf(0, 0, 5, 4), reportOf(0, 0, 5, 1))).toEqual([
      expect.stringMatching(/^udp 4756: this host's kernel dropped 3 packets/),
    ]);
  });

  it("say nothing of drops where the kernel says none", () => {
    expect(warnings(reportOf(0, 0, null), null)).toEqual([]);
    expect(warnings(reportOf(0, 0, null), reportOf(0, 0, 7))).toEqual([]);
  });

  it("say what was left in a socket", () => {
    expect(warnings(reportOf(0, 4096), null)).toEqual([
      "udp 4754: 4,096 octets were left in the socket at the end and are in no record. Where agents go on sending some always " +
        "are: end them first; for what had come before --drain-seconds gives more time",
    ]);
    expect(warnings(reportOf(0, null), null)).toEqual([]);
  });
});
