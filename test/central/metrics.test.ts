import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { CollectorReport } from "../../collectors/central/collector-contract.ts";
import { agentLabels, METRICS } from "../../collectors/central/metrics.ts";
import { Exposition } from "../../collectors/runtime/exposition.ts";
import { SequenceLedger } from "../../src/decapsulate/sequence-ledger.ts";
import { emptyReport } from "../support/collector-report.ts";
import { needs, titled } from "../support/requirements.ts";

const ledger = (name: string, address: string | null, packets: number, lost = 0) => ({
  ...{ name, address, key: null, packets, octets: 10 * packets, lost, late: 0, duplicate: 0, restarted: 0 },
  ...{ encapsulation: null, refused: 0, reports: 0, unheard: 0, reported: null, firstMicros: 0, lastMicros: 0 },
});

function reportOf(change: Partial<CollectorReport>, packets: Record<string, number> = {}): CollectorReport {
  const report = emptyReport();
  return { ...report, totals: { ...report.totals, packets }, ...change } as CollectorReport;
}

/** The samples of an exposition of one name, `labels value` each. */
async function samplesOf(
  report: CollectorReport,
  name: string,
  exposition = new Exposition(METRICS),
): Promise<string[]> {
  const lines = (await exposition.text(report, agentLabels(["router1"]))).split("\n");
  return lines
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .map((line) => line.slice(name.length));
}

describe("the metrics of a collector", () => {
  it.each(METRICS)("$name is named as what it is", ({ name, type, help }) => {
    expect(name).toMatch(/^rejoin_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    expect(help).toMatch(/^[A-Z].*[^.]$/);
  });

  it("say what the report says, and the same when it is asked for twice", async () => {
    const exposition = new Exposition(METRICS);
    const records = {
      made: 9,
      acknowledged: 4,
      stored: 2,
      storedOctets: 700,
      oldestMs: 5,
      shed: { "full/updated": 3 },
      sink: null,
    };
    const report = reportOf({ records }, { "session/counted": 7 });
    for (let scrapes = 0; scrapes < 2; scrapes++) {
      const of = (name: string) => samplesOf(report, name, exposition);
      expect(await of("rejoin_records_made_total")).toEqual([" 9"]);
      expect(await of("rejoin_records_acknowledged_total")).toEqual([" 4"]);
      const shed = await of("rejoin_records_shed_total");
      expect(shed.filter((line) => !line.endsWith(" 0"))).toEqual(['{reason="full",class="updated"} 3']);
      expect([await of("rejoin_outbox_records"), await of("rejoin_outbox_octets")]).toEqual([[" 2"], [" 700"]]);
      expect(await of("rejoin_packets_total")).toContain('{stage="session",reason="counted"} 7');
    }
  });

  it("have a series for every fate and every loss of records from the start, so that the first is a rise", async () => {
    const shed = await samplesOf(emptyReport(), "rejoin_records_shed_total");
    expect(shed).toContain('{reason="full",class="ended"} 0');
    expect(shed).toContain('{reason="damaged",class="chunk"} 0');
    const series = await samplesOf(emptyReport(), "rejoin_packets_total");
    expect(series).toContain('{stage="decapsulate",reason="agent-unknown"} 0');
    expect(series.filter((line) => line.includes('reason="alive"'))).toEqual([]);
  });

  it("tell how full each table is, against its bound", async () => {
    const report = reportOf({ tables: { sessions: { used: 7, bound: 9 }, "outbox-octets": { used: 0, bound: 5 } } });
    expect(await samplesOf(report, "rejoin_table_used")).toEqual(['{table="sessions"} 7', '{table="outbox-octets"} 0']);
    expect(await samplesOf(report, "rejoin_table_bound")).toEqual([
      '{table="sessions"} 9',
      '{table="outbox-octets"} 5',
    ]);
  });

  it("put a thousand senders that nobody named into one series", async () => {
    const strangers = Array.from({ length: 1000 }, (_, n) => ledger(`198.51.100.${n}#${n}`, "198.51.100.1", 1, 2));
    const own = [ledger("udp *:4754", null, 5), ledger("router1", "192.0.2.1", 3), ledger("router1", "192.0.2.2", 4)];
    const report = reportOf({ agents: [...own, ...strangers] });
    expect(await samplesOf(report, "rejoin_agent_packets_total")).toEqual([
      '{agent="udp *:4754"} 5',
      '{agent="router1"} 7',
      '{agent="(unnamed)"} 1000',
    ]);
    expect(await samplesOf(report, "rejoin_agent_lost_packets")).toContain('{agent="(unnamed)"} 2000');
  });

  it("have 0 packets of an agent that may send and never has", async () => {
    const report = reportOf({ agents: [ledger("router1", "192.0.2.1", 3)], silentAgents: ["router2"] });
    const agents = ['{agent="router1"} 3', '{agent="router2"} 0'];
    expect(await samplesOf(report, "rejoin_agent_packets_total")).toEqual(agents);
  });

  it("follow a count that falls, where it may", async () => {
    const exposition = new Exposition(METRICS);
    const lost = (count: number) => reportOf({ agents: [ledger("router1", "192.0.2.1", 3, count)] });
    expect(await samplesOf(lost(2), "rejoin_agent_lost_packets", exposition)).toEqual(['{agent="router1"} 2']);
    expect(await samplesOf(lost(1), "rejoin_agent_lost_packets", exposition)).toEqual(['{agent="router1"} 1']);
  });

  it("have no counter that falls, whatever numbers an agent's copies have", async () => {
    const sequences = new SequenceLedger();
    const report = emptyReport();
    const highest = new Map<string, number>();
    // A number that comes late, and a beginning that comes again and turns out to be doubled.
    for (const number of [0, 1, 3, 2, 4, 0, 1, 5, 6]) {
      sequences.count(number);
      const { lost, late, duplicate, restarted } = sequences;
      const agents = [{ ...ledger("router1", "192.0.2.1", 1), lost, late, duplicate, restarted }];
      for (const { name, type, samples } of METRICS) {
        if (type !== "counter") continue;
        for (const [labels, value] of samples({ ...report, agents }, agentLabels(["router1"]))) {
          const series = `${name} ${Object.values(labels)}`;
          expect(value, series).toBeGreaterThanOrEqual(highest.get(series) ?? 0);
          highest.set(series, value);
        }
      }
    }
  });

  const unmet = needs("promtool");
  it.skipIf(unmet)(titled("are what promtool takes without a remark", unmet), async () => {
    const input = await new Exposition(METRICS).text(emptyReport(), agentLabels([]));
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  });
});
