import { randomUUID } from "node:crypto";
import type { AgentRecord } from "../../schema/agent-record.ts";
import type { AgentLedger, ReportedCounts } from "../../src/pipeline.ts";
import { timeText } from "../../src/record/time-text.ts";

const COUNTS = [
  "packets",
  "octets",
  "lost",
  "late",
  "duplicate",
  "restarted",
  "unheard",
  "refused",
  "reports",
] as const;
type Counts = Record<(typeof COUNTS)[number], number>;

const NO_COUNTS = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Counts;

/**
 * Turns ledgers, which count since the start, into records of one interval each. `lost` of a ledger falls again when a
 * late packet comes: the fall is taken from later intervals, so that a reader who adds up never counts it back.
 */
export class LedgerRecords {
  private readonly observer: AgentRecord["observer"];
  /** What has been told of each agent. Bounded by the pipeline's table of agents. */
  private readonly told = new Map<string, Counts>();
  private sinceMs: number;

  constructor(observer: { readonly name: string; readonly version: string }, nowMs: number) {
    this.observer = { type: "rejoin", ...observer };
    this.sinceMs = nowMs;
  }

  /** One record for each sender that has been heard of, over the time since the last call. */
  next(ledgers: readonly AgentLedger[], nowMs: number): AgentRecord[] {
    const start = new Date(this.sinceMs).toISOString();
    const end = new Date(nowMs).toISOString();
    const duration = Math.max(0, nowMs - this.sinceMs) * 1_000_000;
    this.sinceMs = nowMs;
    return ledgers
      .filter(({ address }) => address !== null)
      .map((ledger) => ({
        "@timestamp": end,
        event: {
          id: randomUUID(),
          kind: "metric",
          category: ["network"],
          type: ["info"],
          dataset: "rejoin.agent",
          action: "agent-counted",
          start,
          end,
          duration,
        },
        observer: this.observer,
        agent: { type: "rejoin", name: ledger.name },
        source: ledger.address === null ? null : { ip: ledger.address },
        rejoin: {
          agent: {
            ...this.since(ledger),
            key: ledger.key,
            ...(ledger.encapsulation === null ? {} : { encapsulation: ledger.encapsulation }),
            reported: ledger.reported === null ? null : reportedRecord(ledger.reported),
          },
        },
      }));
  }

  private since(ledger: AgentLedger): Counts {
    const id = JSON.stringify([ledger.name, ledger.address, ledger.key, ledger.encapsulation]);
    const told = { ...(this.told.get(id) ?? NO_COUNTS) };
    const fresh = { ...NO_COUNTS };
    for (const name of COUNTS) {
      fresh[name] = Math.max(0, ledger[name] - told[name]);
      told[name] += fresh[name];
    }
    this.told.set(id, told);
    return fresh;
  }
}

function reportedRecord(reported: ReportedCounts): AgentRecord["rejoin"]["agent"]["reported"] {
  const { numbered, seen, selected, sent, failed, dropped, cut } = reported;
  return {
    at: timeText(reported.atMicros),
    started: timeText(reported.startedMicros),
    ended: reported.isLast,
    ...{ numbered, seen, selected, sent, failed, dropped, cut },
    kernel_lost: reported.kernelLost,
  };
}
